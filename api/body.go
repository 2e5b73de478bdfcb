package api

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/strictjson"
)

// readBody decodes a request's JSON body into a struct. Fields that the body
// leaves out keep the value that they have.
func (g *Gateway) readBody(c *gin.Context, into any) error {
	if err := checkContentType(c.Request.Header); err != nil {
		return err
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, g.options.Limits.BodyBytes))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return wattline.Errorf(wattline.CodeTooLarge, "the body must be at most %d bytes", tooLarge.Limit)
	case err != nil:
		return wattline.Invalid(wattline.FieldError{Field: "body", Reason: "ended too early or came too slowly"})
	}
	return strictjson.Decode(body, into)
}

func checkContentType(header http.Header) error {
	kind, parameters, err := mime.ParseMediaType(header.Get("Content-Type"))
	charset := parameters["charset"]
	if err != nil || kind != "application/json" || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return wattline.Errorf(wattline.CodeUnsupportedMediaType, "the Content-Type must be application/json")
	}
	if encoding := header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return wattline.Errorf(wattline.CodeUnsupportedMediaType, "the body must not be compressed")
	}
	return nil
}

// noQuery refuses a query on a path that takes none.
func noQuery(c *gin.Context) error {
	p, err := readParams(c.Request)
	if err != nil {
		return err
	}
	return p.err()
}
