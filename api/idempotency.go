package api

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/commandlog"
	"github.com/wattline/wattline/internal/throttle"
)

const (
	keyHeader = "Idempotency-Key"
	// replayedHeader says that an answer is that of an earlier request.
	replayedHeader = "Idempotent-Replayed"
	maxKey         = 255
)

// idempotencyKey is the request's, by draft-ietf-httpapi-idempotency-key-header: a
// string in quotes, or bare as many clients send it.
func idempotencyKey(c *gin.Context) (key string, given bool, err error) {
	values := c.Request.Header.Values(keyHeader)
	if len(values) == 0 {
		return "", false, nil
	}
	key = strings.TrimSpace(values[0])
	if inner, quoted := strings.CutPrefix(key, `"`); quoted {
		key, quoted = strings.CutSuffix(inner, `"`)
		if !quoted {
			key = ""
		}
	}
	sane := !strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' })
	if len(values) > 1 || key == "" || len(key) > maxKey || !sane {
		return "", false, wattline.Invalid(wattline.FieldError{
			Field: keyHeader, Reason: "must be one string of 1 to 255 printable ASCII characters without quotes and backslashes within",
		})
	}
	return key, true, nil
}

// claimFor is what stands for the request, however its JSON was written.
func (g *Gateway) claimFor(c *gin.Context, key string, request CommandsRequest) commandlog.Key {
	text, err := json.Marshal(request)
	if err != nil {
		text = nil // what was decoded encodes
	}
	return commandlog.Key{
		Principal: g.who(c).Name, Key: key,
		Request: sha256.Sum256(append([]byte(c.Request.Method+" "+c.Request.URL.Path+"\n"), text...)),
	}
}

// commandOnce carries out a batch unless a request of the same key was, and answers
// as then. What has begun is carried out to its end whether or not the client stays.
func (g *Gateway) commandOnce(c *gin.Context, key commandlog.Key, b batch, async bool) error {
	claimed, err := g.options.Commands.Claim(c.Request.Context(), key, b.id)
	if err != nil {
		return g.notKept(c, err)
	}
	switch claimed.Claim {
	case commandlog.Fresh:
		return g.commandFirst(c, key, b, async)
	case commandlog.Reused:
		return wattline.Errorf(wattline.CodeKeyReused, "the %s was used for another request before", keyHeader)
	case commandlog.UnderWay:
		return errUnderWay(c)
	case commandlog.Full:
		return &throttle.Exceeded{
			Reason: "as many keys are remembered for " + key.Principal + " as may be within a day; nothing was sent: leave out the " + keyHeader + ", or wait",
			Wait:   claimed.Wait,
		}
	case commandlog.Interrupted, commandlog.Answered:
	}
	return g.replay(c, claimed)
}

// commandFirst is the first time that a key comes. The key is given back only where
// nothing has begun: for a client that has gone by now nothing does.
func (g *Gateway) commandFirst(c *gin.Context, key commandlog.Key, b batch, async bool) error {
	start := g.keep
	if async {
		start = g.begin
	}
	if err := start(c, b); err != nil {
		g.options.Commands.Release(key, b.id)
		return err
	}
	if async {
		g.noteAnswer(key, http.StatusAccepted, nil)
		return g.writeAccepted(c, b.id)
	}
	answer := CommandsResponse{ID: b.id, Results: g.commandAll(context.WithoutCancel(c.Request.Context()), b)}
	body, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	g.noteAnswer(key, http.StatusOK, body)
	writeBody(c, http.StatusOK, body)
	return nil
}

func (g *Gateway) noteAnswer(key commandlog.Key, status int, body []byte) {
	if err := g.options.Commands.Answer(context.Background(), key, status, body); err != nil {
		g.log.Error("the answer to a request with an idempotency key cannot be kept", "error", err)
	}
}

// replay answers as the first time, as far as the client may still see it.
func (g *Gateway) replay(c *gin.Context, claimed commandlog.Claimed) error {
	if claimed.Status == http.StatusAccepted {
		c.Header(replayedHeader, "true")
		return g.writeAccepted(c, claimed.Batch)
	}
	answer := CommandsResponse{ID: claimed.Batch}
	if claimed.Claim == commandlog.Answered {
		if err := json.Unmarshal(claimed.Answer, &answer); err != nil {
			return err
		}
	} else {
		// Its gateway was ended meanwhile.
		records, err := g.options.Commands.Find(c.Request.Context(), claimed.Batch)
		if err != nil {
			return err
		}
		for _, record := range records {
			if record.Outcome == wattline.OutcomePending {
				return errUnderWay(c)
			}
			answer.Results = append(answer.Results, record.Result)
		}
	}
	v := g.view(c)
	answer.Results = slices.DeleteFunc(answer.Results, func(r wattline.Result) bool {
		_, seen := v.find(r.Device)
		return !seen && r.Code != wattline.CodeNotFound // whoever was told that there is none named it
	})
	c.Header(replayedHeader, "true")
	return writeJSON(c, answer)
}

func errUnderWay(c *gin.Context) error {
	c.Header("Retry-After", "1")
	return wattline.Errorf(wattline.CodeConflict, "the same request is being carried out: ask again soon")
}
