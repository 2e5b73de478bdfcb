package influx

import (
	"fmt"
	"time"
)

// howToMake is the command that makes a bucket.
func (s *Store) howToMake(bucket string, retention time.Duration) string {
	return fmt.Sprintf("influx bucket create --org %s --name %s --retention %v", s.options.Org, bucket, retention)
}
