package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wattline/wattline/client"
)

// remote is the generated client of the gateway that the flags name.
func (o *gatewayOptions) remote(command *cobra.Command) (*client.Client, error) {
	gateway, err := o.client(command)
	if err != nil {
		return nil, err
	}
	return client.NewClient(gateway.base, client.WithHTTPClient(gateway.http), client.WithToken(gateway.token))
}

// answerOf reads what a gateway answered to a request. An error of the gateway's says
// what the gateway said.
func answerOf[T any](response *http.Response, err error) (answer T, _ error) {
	if err != nil {
		return answer, fmt.Errorf("no gateway answers: %w; start it, or say with --url where it is", unwrapURL(err))
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return answer, fmt.Errorf("read the answer of the gateway: %w", err)
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		return answer, refusal(response.Request.URL.Host, response, body)
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return answer, fmt.Errorf("%s does not answer as a gateway of this version: %w", response.Request.URL.Host, err)
	}
	return answer, nil
}

// placeFlags choose devices, as the API's parameters do.
type placeFlags struct {
	location, kind string
	labels         []string
}

func (f *placeFlags) bind(command *cobra.Command) {
	command.Flags().StringVar(&f.location, "location", "", "those at this location and below, such as hq/f1")
	command.Flags().StringVar(&f.kind, "kind", "", "those of this kind, such as printer")
	command.Flags().StringArrayVar(&f.labels, "label", nil, "those with this label, name:value; again for several")
}

func (f *placeFlags) given() bool { return f.location != "" || f.kind != "" || len(f.labels) > 0 }

// labelled is the labels as names and values.
func (f *placeFlags) labelled() (map[string]string, error) {
	labels := map[string]string{}
	for _, pair := range f.labels {
		name, value, ok := strings.Cut(pair, ":")
		if !ok {
			return nil, usageError{fmt.Errorf("--label must be name:value, not %q", pair)}
		}
		labels[name] = value
	}
	return labels, nil
}

// given is a flag's value, nil where it is empty.
func given[T ~string](value T) *T {
	if value == "" {
		return nil
	}
	return &value
}

func several(values []string) *[]string {
	if len(values) == 0 {
		return nil
	}
	return &values
}

// or is what a pointer points to, or something else.
func or[T any](value *T, otherwise T) T {
	if value == nil {
		return otherwise
	}
	return *value
}

// shown is a value for people, a dash where there is none.
func shown[T any](value *T) string {
	if value == nil {
		return "-"
	}
	return plain(fmt.Sprint(*value))
}

// printRows prints a table, or the values as JSON.
func printRows[T any](out io.Writer, asJSON bool, values []T, table func(io.Writer)) error {
	if asJSON {
		if values == nil {
			values = []T{}
		}
		return writeJSON(out, values)
	}
	return aligned(out, table)
}
