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
	name := "test-" + strings.ToLower(rand.Text())
	bucket := map[string]string{"orgID": s.orgID, "name": name}
	if err := s.postJSON(s.t.Context(), "/api/v2/buckets", bucket, nil); err != nil {
		s.t.Fatalf("make a bucket: %v", err)
	}
	return name
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
	ctx, cancel := context.WithTimeout(ctx, influxRequestPatience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, i.URL()+path, bytes.NewReader(body))
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
