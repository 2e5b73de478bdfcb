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
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wattline/wattline/api"
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
	file string
	url  string
}

func (o *gatewayOptions) bind(command *cobra.Command) {
	command.PersistentFlags().StringVarP(&o.file, "config", "c", "wattline.yaml", "the configuration file, for the gateway's address")
	command.PersistentFlags().StringVar(&o.url, "url", "", "the gateway (WATTLINE_URL, or listen of the configuration)")
	_ = command.MarkPersistentFlagFilename("config", "yaml", "yml")
}

// client finds the gateway: by --url, WATTLINE_URL, or the configuration.
func (o *gatewayOptions) client(command *cobra.Command) (*gatewayClient, error) {
	from, base := "--url", o.url
	if base == "" {
		from, base = "WATTLINE_URL", os.Getenv("WATTLINE_URL")
	}
	if base == "" {
		listen, err := o.listen(command.Flags().Changed("config"))
		if err != nil {
			return nil, err
		}
		from, base = "listen", "http://"+reached(listen)
	}
	parsed, err := url.Parse(base)
	if err != nil || parsed.Scheme != "http" && parsed.Scheme != "https" || parsed.Host == "" {
		return nil, usageError{fmt.Errorf("%s must be like http://127.0.0.1:8080, not %q", from, base)}
	}
	return &gatewayClient{base: strings.TrimSuffix(base, "/"), http: &http.Client{Timeout: gatewayTimeout}}, nil
}

// listen is the address in the configuration. Without a file it is the one that
// wattline demo has.
func (o *gatewayOptions) listen(named bool) (string, error) {
	loaded, err := config.Load(o.file)
	switch {
	case err == nil:
		return loaded.Listen, nil
	case errors.Is(err, fs.ErrNotExist) && !named:
		return config.Default().Listen, nil
	}
	return "", fmt.Errorf("%w; or say with --url where the gateway is", err)
}

// gatewayClient asks a running gateway.
type gatewayClient struct {
	base string
	http *http.Client
}

func (g *gatewayClient) get(ctx context.Context, path string, into any) error {
	return g.do(ctx, http.MethodGet, path, nil, into)
}

// do makes a request; a body is sent as JSON. An error of the gateway's says what
// the gateway said.
func (g *gatewayClient) do(ctx context.Context, method, path string, body, into any) error {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, g.base+path, content)
	if err != nil {
		return err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := g.http.Do(request)
	if err != nil {
		return fmt.Errorf("no gateway answers at %s: %w; start it, or say with --url where it is", g.base, unwrapURL(err))
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read the answer of %s: %w", g.base, err)
	}
	if response.StatusCode != http.StatusOK {
		return refusal(g.base, response, answer)
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("%s does not answer as a gateway of this version: %w", g.base, err)
	}
	return nil
}

// refusal is what a gateway said against a request.
func refusal(base string, response *http.Response, answer []byte) error {
	var problem api.Problem
	if json.Unmarshal(answer, &problem) != nil || problem.Code == "" {
		return fmt.Errorf("%s answers %s: is it a gateway?", base, response.Status)
	}
	return &gatewayError{problem}
}

// gatewayError is a problem as a person reads it.
type gatewayError struct{ api.Problem }

func (e *gatewayError) Error() string { return fmt.Sprintf("%s (%s)", plain(e.Detail), e.Code) }

// unwrapURL leaves out the method and the address, which are said already.
func unwrapURL(err error) error {
	if outer, ok := errors.AsType[*url.Error](err); ok {
		return outer.Err
	}
	return err
}

// plain is a text from elsewhere as it may go to a terminal: on one line, without
// control characters.
func plain(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return strconv.Quote(text)
	}
	return text
}
