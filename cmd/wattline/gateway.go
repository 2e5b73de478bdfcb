package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api"
	"github.com/wattline/wattline/client"
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

// client is the generated client of the gateway: that of --url, WATTLINE_URL, or the
// configuration.
func (o *gatewayOptions) client(command *cobra.Command) (*client.Client, error) {
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
	return client.NewClient(base, client.WithToken(token), client.WithHTTPClient(door{&http.Client{Timeout: gatewayTimeout}}))
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

// door asks a running gateway, and says what to do where there is none.
type door struct{ http *http.Client }

func (d door) Do(request *http.Request) (*http.Response, error) {
	response, err := d.http.Do(request) //nolint:gosec // whoever runs the command says where to
	if err != nil {
		return nil, fmt.Errorf("no gateway answers at %s://%s: %w; start it, or say with --url where it is",
			request.URL.Scheme, request.URL.Host, unwrapURL(err))
	}
	return response, nil
}

// answerOf is what the gateway answered to a call of the generated client. An error of
// the gateway's says what the gateway said.
func answerOf[T any](response *http.Response, err error) (answer T, _ error) {
	if err != nil {
		return answer, err
	}
	defer response.Body.Close()
	from := response.Request.URL.Host
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return answer, fmt.Errorf("read the answer of %s: %w", from, err)
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		return answer, refusal(from, response, text)
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return answer, fmt.Errorf("%s does not answer as a gateway of this version: %w", from, err)
	}
	return answer, nil
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
