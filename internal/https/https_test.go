package https_test

import (
	"net/http/httptest"
	"testing"

	"github.com/wattline/wattline/internal/https"
)

func TestARequestIsSafeOnTheWayByTLSToUsOrToATrustedProxy(t *testing.T) {
	toUs := httptest.NewRequestWithContext(t.Context(), "GET", "https://wattline.example/", nil)
	toUs.URL.Scheme = "" // as a server has it
	toProxy := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
	toProxy.URL.Scheme = "https"
	if !https.Used(toUs) || !https.Used(toProxy) {
		t.Error("TLS is not seen")
	}
	said := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
	said.Header.Set("X-Forwarded-Proto", "https")
	if https.Used(said) {
		t.Error("what anybody may say is believed")
	}
}
