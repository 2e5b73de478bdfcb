package influx

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/influxdata/influxdb-client-go/v2/domain"

	"github.com/wattline/wattline/internal/store"
)

// makeAgain is how long a bucket that could not be made is left alone.
const makeAgain = 30 * time.Second

// maker makes the buckets that are missing, if the token may.
type maker struct {
	mu     sync.Mutex
	failed map[string]failedMake
}

type failedMake struct {
	at  time.Time
	err error
}

// errNoBucket: a bucket is missing and cannot be made.
var errNoBucket = errors.New("there is no such bucket")

// howToMake is the command that makes a bucket.
func (s *Store) howToMake(bucket string, retention time.Duration) string {
	return fmt.Sprintf("influx bucket create --org %s --name %s --retention %s", s.options.Org, bucket, asSeconds(retention))
}

func asSeconds(retention time.Duration) string { return fmt.Sprintf("%ds", int64(retention.Seconds())) }

// makeBucket makes a bucket that keeps points for so long; 0 is for ever.
func (s *Store) makeBucket(ctx context.Context, bucket string, retention time.Duration) error {
	s.maker.mu.Lock()
	defer s.maker.mu.Unlock()
	if before, ok := s.maker.failed[bucket]; ok && time.Since(before.at) < makeAgain {
		return before.err
	}
	err := s.tryMake(ctx, bucket, retention)
	delete(s.maker.failed, bucket)
	if errors.Is(err, store.ErrMisconfigured) {
		s.maker.failed[bucket] = failedMake{time.Now(), err}
	}
	return err
}

func (s *Store) tryMake(ctx context.Context, bucket string, retention time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	org, err := s.client.OrganizationsAPI().FindOrganizationByName(ctx, s.options.Org)
	if err == nil {
		rule := domain.RetentionRule{EverySeconds: int64(retention.Seconds())}
		_, err = s.client.BucketsAPI().CreateBucketWithNameWithID(ctx, *org.Id, bucket, rule)
	}
	switch {
	case err == nil:
		s.options.Log.Info("made a bucket", "bucket", bucket, "retention", inWords(retention))
		return nil
	case strings.Contains(err.Error(), "already exists"):
		return nil
	case isTransport(err):
		return s.classify(err)
	}
	return fmt.Errorf("%v: %w: %w: %s, and this token may not make it (%.200s); make it: %s",
		s, store.ErrMisconfigured, errNoBucket, bucket, err.Error(), s.howToMake(bucket, retention))
}

// isTransport tells whether the server gave no answer at all.
func isTransport(err error) bool {
	_, ok := errors.AsType[*url.Error](err)
	return ok
}

func inWords(retention time.Duration) string {
	if retention == 0 {
		return "for ever"
	}
	return retention.String()
}

// Prepare makes the buckets that are not there, as writes would: so a task can ask what
// they have before it writes. See transfer.Preparer.
func (s *Store) Prepare(ctx context.Context) error {
	if err := s.send(ctx, nil); err != nil {
		return s.classify(err)
	}
	return s.keep(ctx, "")
}

// Survey looks at both buckets and changes nothing. It returns what an operator
// should know though all works, a line each; an error is as of Ping.
func (s *Store) Survey(ctx context.Context) (notes []string, err error) {
	if err := s.Ping(ctx); err != nil {
		return nil, err
	}
	for _, wanted := range []struct {
		bucket, key string
		retention   time.Duration
	}{
		{s.options.Bucket, "influx.retention", s.options.Retention},
		{s.options.Quarters, "the quarter-hours", 0},
	} {
		retention, found, err := s.retentionOf(ctx, wanted.bucket)
		switch {
		case err != nil:
			return notes, err
		case !found:
			notes = append(notes, fmt.Sprintf("bucket %s is not to be seen; if it is missing and the token may not make it: %s",
				wanted.bucket, s.howToMake(wanted.bucket, wanted.retention)))
		case retention != wanted.retention:
			notes = append(notes, fmt.Sprintf("bucket %s keeps points %s, not %s as %s should be; to change it: influx bucket update --id $(influx bucket list --name %s --hide-headers | cut -f1) --retention %s",
				wanted.bucket, inWords(retention), inWords(wanted.retention), wanted.key, wanted.bucket, asSeconds(wanted.retention)))
		}
	}
	return notes, nil
}

// retentionOf is for how long a bucket keeps points. A token that may not see it
// finds none.
func (s *Store) retentionOf(ctx context.Context, bucket string) (retention time.Duration, found bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	one, err := s.client.BucketsAPI().FindBucketByName(ctx, bucket)
	if err != nil {
		if isTransport(err) {
			return 0, false, s.classify(err)
		}
		return 0, false, nil
	}
	for _, rule := range one.RetentionRules {
		retention = time.Duration(rule.EverySeconds) * time.Second
	}
	return retention, true, nil
}
