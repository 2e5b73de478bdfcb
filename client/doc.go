// Package client speaks to a gateway over HTTP. It is generated from the description of
// the API by openapi/generate.sh, so its functions are called as the operations are.
//
//	gateway, err := client.NewClientWithResponses("http://127.0.0.1:8080", client.WithToken(token))
//	devices, err := gateway.ListDevicesWithResponse(ctx, &client.ListDevicesParams{})
package client

import (
	"context"
	"net/http"
)

// WithToken says who asks. An empty token says nothing.
func WithToken(token string) ClientOption {
	return WithRequestEditorFn(func(_ context.Context, request *http.Request) error {
		if token != "" {
			request.Header.Set("Authorization", "Bearer "+token)
		}
		return nil
	})
}

// SocketRequest is the handshake of GET /api/v1/live with all that a request of this
// client has, for whatever speaks WebSocket: dial its URL with its Header.
func (c *Client) SocketRequest(ctx context.Context) (*http.Request, error) {
	request, err := NewOpenSocketRequest(c.Server, &OpenSocketParams{Upgrade: "websocket", SecWebSocketVersion: "13"})
	if err != nil {
		return nil, err
	}
	return request, c.applyEditors(ctx, request, nil)
}
