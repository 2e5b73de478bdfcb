// Package https tells how a request came.
package https

import "net/http"

// Used tells whether a request came over TLS: to this process, or to a proxy that is
// trusted, for which the gateway sets the URL's scheme.
func Used(r *http.Request) bool { return r.TLS != nil || r.URL.Scheme == "https" }
