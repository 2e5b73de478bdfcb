package history

// For the tests through the public door.
var (
	EveryZone = everyZone
	Windows   = windows
)
