package live

import (
	"errors"

	"github.com/wattline/wattline/internal/seats"
)

// Sit takes a place for a connection of somebody; leave gives it back. Without one
// it is a CodeBusy error, which says whose limit it is.
func (h *Hub) Sit(name string) (leave func(), err error) {
	leave, err = h.seats.Take(seats.Holder{Name: name})
	if errors.Is(err, seats.ErrClosed) {
		h.meters.refused.Inc()
		return nil, errEnded()
	}
	return leave, err
}
