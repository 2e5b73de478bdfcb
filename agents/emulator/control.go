package emulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/wattline/wattline"
)

// PlugView is a plug as the control door shows it.
type PlugView struct {
	ID       string       `json:"id"`
	Model    Model        `json:"model"`
	Kind     string       `json:"kind"`
	Location string       `json:"location"`
	Address  string       `json:"address"`
	DeviceID string       `json:"device_id"`
	Reach    string       `json:"reach"` // reachable, refusing, dark
	Fault    string       `json:"fault"` // as ParseFault reads it
	Stats    Stats        `json:"stats"`
	Outlets  []OutletView `json:"outlets"`
}

// OutletView is one outlet. TrueEnergy is exact, in microjoules, as of At.
type OutletView struct {
	ChildID    string         `json:"child_id,omitempty"`
	Alias      string         `json:"alias"`
	At         wattline.Time  `json:"at"`
	On         bool           `json:"on"`
	PowerW     wattline.Milli `json:"power_w"`
	TrueEnergy Energy         `json:"true_energy_uj"`
	MeterWh    int64          `json:"meter_wh"`
	Switched   []SwitchView   `json:"switched"`
}

// SwitchView is a change of the relay.
type SwitchView struct {
	At    wattline.Time `json:"at"`
	On    bool          `json:"on"`
	Cause Cause         `json:"cause"`
}

// Views describes every plug, in the order of Plugs.
func (o *Office) Views() []PlugView {
	views := make([]PlugView, len(o.plugs))
	for i, p := range o.plugs {
		views[i] = o.view(i, p)
	}
	return views
}

func (o *Office) view(index int, p *Plug) PlugView {
	p.mu.Lock()
	defer p.mu.Unlock()
	state, _ := p.reachNow()
	v := PlugView{
		ID: p.spec.ID, Model: p.spec.Model, Kind: o.spots[index].kind, Location: o.spots[index].location,
		Address: p.bound, DeviceID: p.self.deviceID, Reach: state.String(), Fault: p.fault.String(), Stats: p.stats,
	}
	for i := range p.outlets {
		out := &p.outlets[i]
		view := OutletView{
			Alias: out.alias, At: wattline.AtMilli(p.at), On: out.relay, PowerW: wattline.Milli(p.measure(i).PowerMW),
			TrueEnergy: out.truth, MeterWh: out.meter.WholeWh(), Switched: []SwitchView{},
		}
		if len(p.outlets) > 1 {
			view.ChildID = p.self.childID(i)
		}
		for _, c := range out.changes {
			view.Switched = append(view.Switched, SwitchView{wattline.At(c.At), c.On, c.Cause})
		}
		v.Outlets = append(v.Outlets, view)
	}
	return v
}

// maxControlBody bounds what the control door reads.
const maxControlBody = 4 << 10

// ControlHandler is a small HTTP door for tests in other processes; it has no
// authentication, so serve it on loopback only.
//
//	GET    /plugs                     every plug, as PlugView
//	GET    /plugs/{id}                one
//	GET    /plugs/{id}/energy?from&to[&outlet]   {"true_energy_uj":n} over [from,to), RFC 3339
//	GET    /plugs/{id}/answers?after=n   the answers after the n-th, as AnswerView, up to 1000
//	PUT    /plugs/{id}/fault          {"fault":"hang:p=0.3"}; the id * is all plugs
//	DELETE /plugs/{id}/fault
//	POST   /plugs/{id}/button[?outlet=n]   toggles the relay by hand
//	PUT    /plugs/{id}/clock          {"ahead":"-2h","synced":true}
func (o *Office) ControlHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /plugs", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, o.Views()) })
	mux.HandleFunc("GET /plugs/{id}", o.plug(func(w http.ResponseWriter, _ *http.Request, index int, p *Plug) error {
		writeJSON(w, o.view(index, p))
		return nil
	}))
	mux.HandleFunc("GET /plugs/{id}/energy", o.plug(serveEnergy))
	mux.HandleFunc("GET /plugs/{id}/answers", o.plug(serveAnswers))
	mux.HandleFunc("PUT /plugs/{id}/fault", o.putFault)
	mux.HandleFunc("DELETE /plugs/{id}/fault", func(w http.ResponseWriter, r *http.Request) {
		o.applyFault(w, PlugFault{ID: r.PathValue("id")})
	})
	mux.HandleFunc("POST /plugs/{id}/button", o.plug(pressButton))
	mux.HandleFunc("PUT /plugs/{id}/clock", o.plug(putClock))
	return mux
}

// plug finds the plug of the path and turns an error into an answer.
func (o *Office) plug(serve func(http.ResponseWriter, *http.Request, int, *Plug) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id := r.PathValue("id")
		for i, p := range o.plugs {
			if p.ID() == id {
				if err := serve(w, r, i, p); err != nil {
					http.Error(w, err.Error(), http.StatusBadRequest)
				}
				return
			}
		}
		http.Error(w, fmt.Sprintf("no plug %.80q", id), http.StatusNotFound)
	}
}

func serveEnergy(w http.ResponseWriter, r *http.Request, _ int, p *Plug) error {
	query := r.URL.Query()
	from, err := time.Parse(time.RFC3339Nano, query.Get("from"))
	if err != nil {
		return errors.New("from must be an RFC 3339 time")
	}
	to, err := time.Parse(time.RFC3339Nano, query.Get("to"))
	if err != nil {
		return errors.New("to must be an RFC 3339 time")
	}
	outlet, err := outletOf(r, p)
	if err != nil {
		return err
	}
	energy, err := p.TrueEnergyBetween(outlet, from, to)
	if err != nil {
		return err
	}
	writeJSON(w, struct {
		TrueEnergy Energy `json:"true_energy_uj"`
	}{energy})
	return nil
}

func outletOf(r *http.Request, p *Plug) (int, error) {
	text := r.URL.Query().Get("outlet")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n >= p.Outlets() {
		return 0, fmt.Errorf("outlet %.20q must lie between 0 and %d", text, p.Outlets()-1)
	}
	return n, nil
}

func (o *Office) putFault(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Fault string `json:"fault"`
	}
	if err := readJSON(r, &body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	fault, err := ParseFault(body.Fault)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	o.applyFault(w, PlugFault{r.PathValue("id"), fault})
}

func (o *Office) applyFault(w http.ResponseWriter, fault PlugFault) {
	if err := o.SetFaults([]PlugFault{fault}); err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func pressButton(w http.ResponseWriter, r *http.Request, _ int, p *Plug) error {
	outlet, err := outletOf(r, p)
	if err != nil {
		return err
	}
	p.PressButton(outlet)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func putClock(w http.ResponseWriter, r *http.Request, _ int, p *Plug) error {
	body := struct {
		Ahead  string `json:"ahead"`
		Synced bool   `json:"synced"`
	}{Ahead: "0s", Synced: true}
	if err := readJSON(r, &body); err != nil {
		return err
	}
	ahead, err := time.ParseDuration(body.Ahead)
	if err != nil {
		return fmt.Errorf("ahead %.40q must be a duration such as -2h", body.Ahead)
	}
	p.SetClock(ahead, body.Synced)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// readJSON takes exactly one object without unknown keys.
func readJSON(r *http.Request, into any) error {
	decoder := json.NewDecoder(io.LimitReader(r.Body, maxControlBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("body: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("body: more than one JSON value, or too long")
	}
	return nil
}

func writeJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value) // the client has gone, if anything
}
