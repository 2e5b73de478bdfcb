package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api"
	"github.com/wattline/wattline/internal/accounts"
	"github.com/wattline/wattline/internal/config"
)

const (
	// gatewayTimeout is longer than a gateway waits for anybody.
	gatewayTimeout = 30 * time.Second
	// maxAnswer bounds what is read of an answer.
	maxAnswer = 16 << 20
)

// gatewayOptions say where the running gateway is.
type gatewayOptions struct {
	file      string
	url       string
	tokenFile string
}

func (o *gatewayOptions) bind(command *cobra.Command) {
	command.PersistentFlags().StringVarP(&o.file, "config", "c", "wattline.yaml", "the configuration file, for the gateway's address")
	command.PersistentFlags().StringVar(&o.url, "url", "", "the gateway (WATTLINE_URL, or listen of the configuration)")
	command.PersistentFlags().StringVar(&o.tokenFile, "token-file", "",
		"a file with the token (WATTLINE_TOKEN, or the first admin's in the configuration's data folder)")
	_ = command.MarkPersistentFlagFilename("config", "yaml", "yml")
	_ = command.MarkPersistentFlagFilename("token-file")
}

// named tells whether it was said where the gateway is.
func (o *gatewayOptions) named() bool { return o.url != "" || os.Getenv("WATTLINE_URL") != "" }

// client finds the gateway: by --url, WATTLINE_URL, or the configuration.
func (o *gatewayOptions) client(command *cobra.Command) (*gatewayClient, error) {
	from, base, data := "--url", o.url, ""
	if base == "" {
		from, base = "WATTLINE_URL", os.Getenv("WATTLINE_URL")
	}
	if base == "" {
		local, err := o.local(command.Flags().Changed("config"))
		if err != nil {
			return nil, err
		}
		from, base, data = "listen", local.TLS.Scheme()+"://"+reached(local.Listen), local.Data
	}
	parsed, err := url.Parse(base)
	if err != nil || parsed.Scheme != "http" && parsed.Scheme != "https" || parsed.Host == "" {
		return nil, usageError{fmt.Errorf("%s must be like http://127.0.0.1:8080, not %q", from, base)}
	}
	token, err := o.token(data)
	if err != nil {
		return nil, err
	}
	return &gatewayClient{base: strings.TrimSuffix(base, "/"), token: token, http: &http.Client{Timeout: gatewayTimeout}}, nil
}

// local is the configuration. Without a file it is the one that wattline demo has.
func (o *gatewayOptions) local(named bool) (config.Config, error) {
	loaded, err := config.Load(o.file)
	switch {
	case err == nil:
		return loaded, nil
	case errors.Is(err, fs.ErrNotExist) && !named:
		return config.Default(), nil
	}
	return config.Config{}, fmt.Errorf("%w; or say with --url where the gateway is", err)
}

// token is what the gateway knows us by: that of --token-file, WATTLINE_TOKEN, or the
// first admin's of the data folder of a gateway on this machine. Empty for none, which
// the gateway then complains of.
func (o *gatewayOptions) token(data string) (string, error) {
	if o.tokenFile != "" {
		token, err := accounts.ReadSecret(o.tokenFile)
		if err != nil {
			return "", fmt.Errorf("--token-file: %w", err)
		}
		return token, nil
	}
	if token := os.Getenv("WATTLINE_TOKEN"); token != "" || data == "" {
		return token, nil
	}
	token, err := accounts.ReadSecret(accounts.FirstTokenPath(data))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return "", nil
	}
	return token, err
}

// gatewayClient asks a running gateway.
type gatewayClient struct {
	base  string
	token string
	http  *http.Client
}

func (g *gatewayClient) get(ctx context.Context, path string, into any) error {
	return g.do(ctx, http.MethodGet, path, nil, into)
}

// do makes a request; a body is sent as JSON.
func (g *gatewayClient) do(ctx context.Context, method, path string, body, into any) error {
	if body == nil {
		return g.send(ctx, method, path, payload{}, into)
	}
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return g.send(ctx, method, path, payload{"application/json", text}, into)
}

// payload is a body with its media type; empty for none.
type payload struct {
	kind string
	text []byte
}

func (g *gatewayClient) send(ctx context.Context, method, path string, body payload, into any) error {
	request, err := http.NewRequestWithContext(ctx, method, g.base+path, bytes.NewReader(body.text))
	if err != nil {
		return err
	}
	if body.kind != "" {
		request.Header.Set("Content-Type", body.kind)
	}
	response, err := g.Do(request)
	if err != nil {
		return err
	}
	return readAnswer(response, into)
}

// Do makes a request with the token, for the generated client too.
func (g *gatewayClient) Do(request *http.Request) (*http.Response, error) {
	if g.token != "" {
		request.Header.Set("Authorization", "Bearer "+g.token)
	}
	response, err := g.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("no gateway answers at %s: %w; start it, or say with --url where it is", g.base, unwrapURL(err))
	}
	return response, nil
}

// readAnswer reads what a gateway answered to a request. An error of the gateway's says
// what the gateway said.
func readAnswer(response *http.Response, into any) error {
	defer response.Body.Close()
	from := response.Request.URL.Host
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read the answer of %s: %w", from, err)
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		return refusal(from, response, answer)
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("%s does not answer as a gateway of this version: %w", from, err)
	}
	return nil
}

// refusal is what a gateway said against a request.
func refusal(from string, response *http.Response, answer []byte) error {
	var problem api.Problem
	if json.Unmarshal(answer, &problem) != nil || problem.Code == "" {
		return fmt.Errorf("%s answers %s: is it a gateway?", from, response.Status)
	}
	return &gatewayError{problem}
}

// gatewayError is a problem as a person reads it.
type gatewayError struct{ api.Problem }

func (e *gatewayError) Error() string {
	if e.Code == wattline.CodeUnauthenticated {
		return fmt.Sprintf("%s (%s); set WATTLINE_TOKEN or --token-file", plain(e.Detail), e.Code)
	}
	return fmt.Sprintf("%s (%s)", plain(e.Detail), e.Code)
}

// unwrapURL leaves out the method and the address, which are said already.
func unwrapURL(err error) error {
	if outer, ok := errors.AsType[*url.Error](err); ok {
		return outer.Err
	}
	return err
}
