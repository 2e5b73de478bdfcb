package client_test

import (
	"context"
	"fmt"
	"os"

	"github.com/wattline/wattline/client"
)

// Every answer is in the field of its status and format, errors as problem documents.
func Example() {
	gateway, err := client.NewClientWithResponses(os.Getenv("WATTLINE_URL"), client.WithToken(os.Getenv("WATTLINE_TOKEN")))
	if err != nil {
		fmt.Println(err)
		return
	}
	answer, err := gateway.PutRelayWithResponse(context.Background(), "printer-1", client.SwitchRequest{State: "off"})
	switch {
	case err != nil:
		fmt.Println(err) // nobody answers
	case answer.JSON200 != nil:
		fmt.Println(answer.JSON200.Outcome, answer.JSON200.Time)
	case answer.ApplicationproblemJSON423 != nil:
		fmt.Println("protected:", answer.ApplicationproblemJSON423.Detail)
	default:
		fmt.Println(answer.Status(), string(answer.Body))
	}
}
