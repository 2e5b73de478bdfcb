package api

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline/openapi"
)

// The page at /docs is RapiDoc, which needs nothing from elsewhere; web has its
// licences.
//
//go:embed web
var web embed.FS

// pageSecurity lets a page load and ask nothing but this server. RapiDoc sets
// style attributes, so styles may be inline; scripts may not.
const pageSecurity = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; " +
	"img-src 'self' data:; font-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// pageRoutes are for people; the OpenAPI description leaves them out.
func (g *Gateway) pageRoutes() []openRoute {
	page := func(path, file, kind string) openRoute {
		return openRoute{http.MethodGet, path, servePage(file, kind)}
	}
	return []openRoute{
		{http.MethodGet, "/", func(c *gin.Context) error {
			c.Redirect(http.StatusFound, "/docs")
			return nil
		}},
		{http.MethodGet, "/docs", g.docsPage()},
		page("/docs/docs.js", "web/docs.js", "text/javascript; charset=utf-8"),
		page("/docs/rapidoc-min.js", "web/rapidoc-min.js", "text/javascript; charset=utf-8"),
		page("/docs/rapidoc-min.js.LICENSE.txt", "web/rapidoc-min.js.LICENSE.txt", "text/plain; charset=utf-8"),
		page("/docs/LICENSE.txt", "web/rapidoc-LICENSE.txt", "text/plain; charset=utf-8"),
	}
}

// docsPage offers the provider to sign in at, where there is one.
func (g *Gateway) docsPage() handler {
	content, err := web.ReadFile("web/docs.html")
	if err != nil {
		return func(*gin.Context) error { return err }
	}
	offer := ""
	if g.options.OIDC != nil {
		offer = `<a href="/api/v1/session/oidc">Sign in with ` + html.EscapeString(g.options.OIDC.Host()) + `</a> <span>or</span>`
	}
	return serveContent(bytes.Replace(content, []byte("<!-- provider -->"), []byte(offer), 1), "text/html; charset=utf-8")
}

// servePage serves an embedded file.
func servePage(file, kind string) handler {
	content, err := web.ReadFile(file)
	if err != nil {
		return func(*gin.Context) error { return err }
	}
	return serveContent(content, kind)
}

// serveContent serves what a browser may keep as long as its digest is the same.
func serveContent(content []byte, kind string) handler {
	tag := digestOf(content)
	return func(c *gin.Context) error {
		c.Header("Content-Security-Policy", pageSecurity)
		return writeTagged(c, tag, kind, content)
	}
}

// getOpenAPI godoc
//
//	@Summary	This description, as OpenAPI 3
//	@ID			getOpenAPI
//	@Tags		system
//	@Produce	json
//	@Success	200	{object}	any
//	@Failure	400	{object}	Problem	"invalid"
//	@Failure	403	{object}	Problem	"forbidden"
//	@Failure	429	{object}	Problem	"busy"
//	@Router		/api/v1/openapi.json [get]
func (g *Gateway) getOpenAPI(c *gin.Context) error {
	return writeTagged(c, g.openAPITag, jsonType, openapi.Document())
}

func digestOf(content []byte) string {
	sum := sha256.Sum256(content)
	return `W/"` + hex.EncodeToString(sum[:12]) + `"`
}

// isTagged tells whether an If-None-Match header names a weak tag (RFC 9110, 13.1.2).
func isTagged(header, tag string) bool {
	for given := range strings.SplitSeq(header, ",") {
		given = strings.TrimSpace(given)
		if given == "*" || given == tag || "W/"+given == tag {
			return true
		}
	}
	return false
}

// writeTagged answers with content that the client may keep and has to ask about.
func writeTagged(c *gin.Context, tag, kind string, content []byte) error {
	c.Header("Cache-Control", "private, no-cache")
	c.Header("ETag", tag)
	if isTagged(c.GetHeader("If-None-Match"), tag) {
		c.Status(http.StatusNotModified)
		return nil
	}
	c.Data(http.StatusOK, kind, content)
	return nil
}
