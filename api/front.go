package api

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/rs/cors"

	"github.com/wattline/wattline/internal/https"
)

// front is what stands before everything else: who asks is made out, answers get the
// headers that keep browsers from being used against their users, and pages of other
// origins are let in where that is configured.
func (g *Gateway) front(next http.Handler) http.Handler {
	if len(g.options.Origins) > 0 {
		next = g.crossOrigin(next)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = g.made(r)
		secureHeaders(w.Header(), https.Used(r))
		if len(r.TransferEncoding) > 0 {
			// A proxy may see another end of a body in chunks, and what follows as part of
			// it: nothing follows.
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// made is the request as its client made it: where a trusted proxy passed it on, the
// address is the client's, and the URL's scheme is https if the proxy got it so. What
// others say of themselves is not believed.
func (g *Gateway) made(r *http.Request) *http.Request {
	trusted := len(g.options.Proxies) > 0 && g.isProxy(hostOf(r.RemoteAddr))
	if !trusted && r.URL.Scheme == "" {
		return r
	}
	as, at := *r, *r.URL
	as.URL, at.Scheme = &at, ""
	if trusted {
		as.RemoteAddr = g.clientAddr(r)
		if isHTTPS(r.Header.Values("X-Forwarded-Proto")) {
			at.Scheme = "https"
		}
	}
	return &as
}

// clientAddr is the last address in X-Forwarded-For that is no trusted proxy's: those
// before it are what that client says.
func (g *Gateway) clientAddr(r *http.Request) string {
	client := r.RemoteAddr
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, text := range slices.Backward(hops) {
		hop, err := netip.ParseAddr(hostOf(strings.TrimSpace(text)))
		if err != nil {
			break
		}
		client = net.JoinHostPort(hop.Unmap().String(), "0")
		if !g.isProxy(hop.String()) {
			break
		}
	}
	return client
}

func (g *Gateway) isProxy(host string) bool {
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	for _, proxy := range g.options.Proxies {
		if proxy.Contains(addr.Unmap()) {
			return true
		}
	}
	return false
}

// hostOf leaves out the port, where there is one.
func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return strings.TrimSuffix(strings.TrimPrefix(address, "["), "]")
}

// isHTTPS tells whether every proxy on the way says so.
func isHTTPS(protocols []string) bool {
	for protocol := range strings.SplitSeq(strings.Join(protocols, ","), ",") {
		if strings.TrimSpace(protocol) != "https" {
			return false
		}
	}
	return true
}

// answerSecurity is the policy of an answer that is no page: it may load nothing and
// be shown nowhere. Pages have their own.
const answerSecurity = "default-src 'none'; frame-ancestors 'none'"

func secureHeaders(header http.Header, encrypted bool) {
	header.Set("Content-Security-Policy", answerSecurity)
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
	if encrypted {
		const year = "31536000"
		header.Set("Strict-Transport-Security", "max-age="+year)
	}
}

// crossOrigin lets pages of the configured origins use the API, with a token of their
// own: a browser sends no session with these requests.
func (g *Gateway) crossOrigin(next http.Handler) http.Handler {
	const preflightS = 600
	shared := cors.New(cors.Options{
		AllowedOrigins: g.options.Origins,
		AllowedMethods: []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete},
		AllowedHeaders: []string{
			"Accept", "Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "Last-Event-ID", "Prefer", requestIDHeader,
		},
		ExposedHeaders: []string{
			"Content-Disposition", "ETag", replayedHeader, "Link", "Location", "Preference-Applied", "Retry-After", periodHeader, requestIDHeader,
		},
		MaxAge: preflightS,
	}).Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/api/") {
			shared.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}
