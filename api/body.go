package api

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/strictjson"
)

// readBody decodes a request's JSON body into a struct. Fields that the body
// leaves out keep the value that they have.
func (g *Gateway) readBody(c *gin.Context, into any) error {
	body, err := g.readRaw(c, "application/json")
	if err != nil {
		return err
	}
	return strictjson.Decode(body.content, into)
}

// rawBody is a body as it came.
type rawBody struct {
	kind    string // the media type
	content []byte
}

// readRaw reads a body of one of some media types.
func (g *Gateway) readRaw(c *gin.Context, kinds ...string) (rawBody, error) {
	kind, err := checkContentType(c.Request.Header, kinds)
	if err != nil {
		return rawBody{}, err
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, g.options.Limits.BodyBytes))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return rawBody{}, wattline.Errorf(wattline.CodeTooLarge, "the body must be at most %d bytes", tooLarge.Limit)
	case err != nil:
		return rawBody{}, wattline.Invalid(wattline.FieldError{Field: "body", Reason: "ended too early or came too slowly"})
	}
	return rawBody{kind, body}, nil
}

// checkContentType is the media type of a body, which must be one of kinds.
func checkContentType(header http.Header, kinds []string) (string, error) {
	kind, parameters, err := mime.ParseMediaType(header.Get("Content-Type"))
	charset := parameters["charset"]
	if err != nil || !slices.Contains(kinds, kind) || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return "", wattline.Errorf(wattline.CodeUnsupportedMediaType, "the Content-Type must be %s", strings.Join(kinds, " or "))
	}
	if encoding := header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return "", wattline.Errorf(wattline.CodeUnsupportedMediaType, "the body must not be compressed")
	}
	return kind, nil
}
