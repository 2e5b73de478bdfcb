// Package wake tells a goroutine that there may be work.
package wake

// Up wakes whoever waits on a channel that holds one, or will look there next. It does
// not wait: who has been told already will look again. A nil channel tells nobody.
func Up(waiting chan<- struct{}) {
	select {
	case waiting <- struct{}{}:
	default:
	}
}
