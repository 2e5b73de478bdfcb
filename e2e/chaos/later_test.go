package chaos_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/e2e/chaos/truth"
	"github.com/wattline/wattline/internal/testserver"
)

// pendingAfter is how long after its deadline a command may still be pending.
const pendingAfter = 5 * time.Second

// askLater has each gateway say what became of every command that it was given, by
// the name of a device that is still there.
func (s *site) askLater(commands []truth.Command) {
	s.t.Helper()
	there := map[string]bool{}
	for _, d := range s.named() {
		there[d.ID] = true
	}
	for i, c := range commands {
		if c.Door == "" || c.ID == "" || !there[c.Device] {
			continue
		}
		testserver.Eventually(s.t, patience, func() (err error) {
			commands[i].Later, err = s.doors[c.Door].outcome(c.ID)
			if err == nil && commands[i].Later == wattline.OutcomePending && time.Now().Before(c.Deadline.Add(pendingAfter)) {
				err = fmt.Errorf("command %s is pending", c.ID)
			}
			return err
		})
		commands[i].Forgotten = commands[i].Later == ""
	}
}

// outcome is what became of a command; empty if nothing is known of it.
func (d door) outcome(id string) (wattline.Outcome, error) {
	a := d.send(context.Background(), http.MethodGet, "/api/v1/commands/"+id, "")
	var status struct{ Results []wattline.Result }
	switch {
	case a.err != nil:
		return "", a.err
	case a.status == http.StatusNotFound:
		return "", nil
	case a.status != http.StatusOK || json.Unmarshal(a.body, &status) != nil || len(status.Results) != 1 || status.Results[0].ID != id:
		return "", fmt.Errorf("%s says of command %s: status %d: %.300s", d.name, id, a.status, a.body)
	}
	return status.Results[0].Outcome, nil
}
