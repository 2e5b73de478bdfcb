package testserver

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const influxRequestPatience = 30 * time.Second

// NewBucket makes a bucket without retention limit, for one test alone, and
// returns its name.
func (s *InfluxServer) NewBucket() string {
	s.t.Helper()
	return s.NewBucketKeeping(0)
}

// NewBucketKeeping makes a bucket that keeps points for so long, at least an
// hour; 0 for ever.
func (s *InfluxServer) NewBucketKeeping(retention time.Duration) string {
	s.t.Helper()
	name := "test-" + strings.ToLower(rand.Text())
	s.MakeBucket(name, retention)
	return name
}

// MakeBucket makes a bucket of a name.
func (s *InfluxServer) MakeBucket(name string, retention time.Duration) {
	s.t.Helper()
	bucket := map[string]any{"orgID": s.orgID, "name": name}
	if retention > 0 {
		bucket["retentionRules"] = []any{map[string]any{"type": "expire", "everySeconds": int64(retention.Seconds())}}
	}
	if err := s.postJSON(s.t.Context(), "/api/v2/buckets", bucket, nil); err != nil {
		s.t.Fatalf("make a bucket: %v", err)
	}
}

// Retention is for how long a bucket keeps points, 0 for ever; found is false
// where there is no such bucket.
func (s *InfluxServer) Retention(bucket string) (retention time.Duration, found bool) {
	s.t.Helper()
	answer := s.bucket(bucket)
	if answer == nil {
		return 0, false
	}
	for _, rule := range answer.Rules {
		retention = time.Duration(rule.EverySeconds) * time.Second
	}
	return retention, true
}

type bucketAnswer struct {
	ID    string `json:"id"`
	Rules []struct {
		EverySeconds int64 `json:"everySeconds"`
	} `json:"retentionRules"`
}

func (s *InfluxServer) bucket(name string) *bucketAnswer {
	s.t.Helper()
	var answer struct {
		Buckets []bucketAnswer `json:"buckets"`
	}
	text, err := s.request(s.t.Context(), http.MethodGet, "/api/v2/buckets?name="+url.QueryEscape(name), "", nil)
	if err == nil {
		err = json.Unmarshal(text, &answer)
	}
	if err != nil && !strings.HasPrefix(err.Error(), "404") {
		s.t.Fatalf("ask for a bucket: %v", err)
	}
	if len(answer.Buckets) == 0 {
		return nil
	}
	return &answer.Buckets[0]
}

// NewToken makes a token that may read and write some buckets, and nothing else.
func (s *InfluxServer) NewToken(buckets ...string) string {
	s.t.Helper()
	var permissions []any
	for _, name := range buckets {
		for _, action := range []string{"read", "write"} {
			permissions = append(permissions, map[string]any{
				"action": action, "resource": map[string]any{"type": "buckets", "orgID": s.orgID, "id": s.bucket(name).ID},
			})
		}
	}
	var made struct {
		Token string `json:"token"`
	}
	question := map[string]any{"orgID": s.orgID, "permissions": permissions}
	if err := s.postJSON(s.t.Context(), "/api/v2/authorizations", question, &made); err != nil {
		s.t.Fatalf("make a token: %v", err)
	}
	return made.Token
}

// Delete deletes the points of a measurement from one instant on and before
// another. (InfluxDB's own stop is the last one to go.)
func (s *InfluxServer) Delete(bucket, measurement string, from, to time.Time) {
	s.t.Helper()
	question := map[string]string{
		"start": from.UTC().Format(time.RFC3339Nano), "stop": to.Add(-1).UTC().Format(time.RFC3339Nano),
		"predicate": fmt.Sprintf("_measurement=%q", measurement),
	}
	query := url.Values{"org": {influxOrg}, "bucket": {bucket}}
	if err := s.postJSON(s.t.Context(), "/api/v2/delete?"+query.Encode(), question, nil); err != nil {
		s.t.Fatalf("delete points: %v", err)
	}
}

// Write writes line protocol with times in nanoseconds, by plain HTTP.
func (s *InfluxServer) Write(bucket, lines string) {
	s.t.Helper()
	query := url.Values{"org": {influxOrg}, "bucket": {bucket}, "precision": {"ns"}}
	_, err := s.post(s.t.Context(), "/api/v2/write?"+query.Encode(), "text/plain; charset=utf-8", []byte(lines))
	if err != nil {
		s.t.Fatalf("write to influxd: %v", err)
	}
}

// Query runs Flux by plain HTTP and returns the rows of all tables, each by
// column name, without InfluxDB's own columns "result" and "table".
func (s *InfluxServer) Query(flux string) []map[string]string {
	s.t.Helper()
	answer, err := s.post(s.t.Context(), "/api/v2/query?org="+influxOrg, "application/vnd.flux", []byte(flux))
	if err != nil {
		s.t.Fatalf("query influxd: %v", err)
	}
	rows, err := parseFluxCSV(answer)
	if err != nil {
		s.t.Fatalf("query influxd: %v", err)
	}
	return rows
}

// parseFluxCSV reads tables that may differ in their columns. Every line begins
// with a comma; a line without a cell stands before each further header.
func parseFluxCSV(answer []byte) ([]map[string]string, error) {
	var rows []map[string]string
	for part := range strings.SplitSeq(strings.ReplaceAll(string(answer), "\r\n", "\n"), "\n\n") {
		lines, err := csv.NewReader(strings.NewReader(part)).ReadAll()
		if err != nil {
			return nil, fmt.Errorf("read annotated CSV: %w", err)
		}
		for _, line := range lines[min(1, len(lines)):] {
			row := make(map[string]string, len(line))
			for column, cell := range line {
				if name := lines[0][column]; name != "" && name != "result" && name != "table" {
					row[name] = cell
				}
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}

func (i *influxInstance) healthy() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, i.URL()+"/health", nil)
	if err != nil {
		return fmt.Errorf("ask for its health: %w", err)
	}
	_, err = do(request)
	return err
}

func (i *influxInstance) setUp() error {
	setup := map[string]string{
		"username": influxUser, "password": influxPassword,
		"org": influxOrg, "bucket": influxBucket, "token": influxToken,
	}
	var made struct {
		Org struct {
			ID string `json:"id"`
		} `json:"org"`
	}
	if err := i.postJSON(context.Background(), "/api/v2/setup", setup, &made); err != nil {
		return fmt.Errorf("set influxd up: %w", err)
	}
	i.orgID = made.Org.ID
	return nil
}

func (i *influxInstance) postJSON(ctx context.Context, path string, question, answer any) error {
	body, err := json.Marshal(question)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	text, err := i.post(ctx, path, "application/json", body)
	if err != nil || answer == nil {
		return err
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("decode: %w", err)
	}
	return nil
}

func (i *influxInstance) post(ctx context.Context, path, contentType string, body []byte) ([]byte, error) {
	return i.request(ctx, http.MethodPost, path, contentType, body)
}

func (i *influxInstance) request(ctx context.Context, method, path, contentType string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, influxRequestPatience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, i.URL()+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	request.Header.Set("Authorization", "Token "+influxToken)
	request.Header.Set("Content-Type", contentType)
	return do(request)
}

// do keeps no connection, so that none outlives the test.
func do(request *http.Request) ([]byte, error) {
	request.Close = true
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		return nil, fmt.Errorf("%s: %s", response.Status, bytes.TrimSpace(body))
	}
	return body, nil
}
