package sqlite

// Gather adds to a batch what waits in a queue, until it has as many as are wanted in
// one transaction. It does not wait for more to come.
func Gather[T any](batch []T, queue <-chan T, most int) []T {
	for len(batch) < most {
		select {
		case next := <-queue:
			batch = append(batch, next)
		default:
			return batch
		}
	}
	return batch
}
