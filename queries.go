package wattline

// The verbs of the queries, by component.
const (
	VerbList        = "list"        // registry: ListQuery → DevicePage
	VerbGet         = "get"         // registry: GetQuery → Device
	VerbReadings    = "readings"    // history: ReadingsQuery → ReadingsPage
	VerbConsumption = "consumption" // history: ConsumptionQuery → ConsumptionPage
	VerbAggregate   = "aggregate"   // history: AggregateQuery → AggregatePage
	VerbLast        = "last"        // history: LastQuery → LastPage
	VerbRebuild     = "rebuild"     // history: RebuildQuery → RebuildPage
	VerbReplay      = "replay"      // collector: ReplayQuery → ReplayPage
	VerbRead        = "read"        // collector: GetQuery → FreshState
	VerbConfirm     = "confirm"     // gateway: ConfirmQuery → no body, or the error that ends the command
)

// ListQuery asks the registry for the devices that match, in the order of ids.
type ListQuery struct {
	Selector Selector `json:"selector,omitzero"`
	// After is the id after which the page begins.
	After string `json:"after,omitempty"`
	Limit int    `json:"limit,omitempty"`
}

// DevicePage is the answer; Next goes into After for the page that follows.
type DevicePage struct {
	Devices []Device `json:"devices"`
	Next    string   `json:"next,omitempty"`
}

// GetQuery names one device.
type GetQuery struct {
	Device string `json:"device"`
}

// FreshState is a device's state, asked of the plug just now, with its reading
// where it has a meter.
type FreshState struct {
	State   State    `json:"state"`
	Reading *Reading `json:"reading,omitempty"`
}

// Bounds of the limit of a paged query: MaxHistoryPage of the history's, MaxPage
// of all others.
const (
	MaxPage        = 1000
	MaxHistoryPage = 5000
)

// ReadingsQuery asks for raw readings of some devices in [From, To), ordered by
// device and then time.
type ReadingsQuery struct {
	Devices []string `json:"devices"`
	From    Time     `json:"from"`
	To      Time     `json:"to"`
	// Cursor is the Next of the page before. After stands for it where there is
	// none: the reading after which the page begins.
	Cursor string        `json:"cursor,omitempty"`
	After  *ReadingPlace `json:"after,omitempty"`
	Limit  int           `json:"limit,omitempty"`
	// Packed asks for the Packed form. Whoever answers may leave it aside.
	Packed bool `json:"packed,omitempty"`
}

// ReadingPlace is a place in the order of readings.
type ReadingPlace struct {
	Device string `json:"device"`
	Time   Time   `json:"time"`
}

// ReadingsPage is the answer. Next is empty on the last page.
type ReadingsPage struct {
	Readings []Reading `json:"readings"`
	// Packed has the readings instead, in the form of internal/packed, where the
	// query asked for it.
	Packed []byte `json:"packed,omitempty" swaggerignore:"true"`
	Next   string `json:"next,omitempty"`
}

// Window is a calendar window.
type Window string

// The windows.
const (
	WindowQuarter Window = "quarter"
	WindowHour    Window = "hour"
	WindowDay     Window = "day"
	WindowWeek    Window = "week"
	WindowMonth   Window = "month"
	WindowYear    Window = "year"
)

// Valid tells whether it is one of the windows.
func (w Window) Valid() bool {
	switch w {
	case WindowQuarter, WindowHour, WindowDay, WindowWeek, WindowMonth, WindowYear:
		return true
	}
	return false
}

// Group is some devices that are counted together under one name.
type Group struct {
	Name    string   `json:"name"`
	Devices []string `json:"devices"`
}

// ConsumptionQuery asks for energy and power per calendar window of [From, To)
// and group. Windows at the ends are cut to the range.
type ConsumptionQuery struct {
	Groups []Group `json:"groups"`
	From   Time    `json:"from"`
	To     Time    `json:"to"`
	Window Window  `json:"window"`
	// Timezone is an IANA name; the windows are those of its calendar.
	Timezone string `json:"tz"`
	// Cursor is the Next of the page before. After stands for it where there is
	// none: the row after which the page begins.
	Cursor string    `json:"cursor,omitempty"`
	After  *RowPlace `json:"after,omitempty"`
	Limit  int       `json:"limit,omitempty"`
}

// RowPlace is a row of consumption or of an aggregate, by its group and the start of
// its window.
type RowPlace struct {
	Group string `json:"group"`
	Start Time   `json:"start"`
}

// ConsumptionPage is the answer, ordered by window and then group name. Next is
// empty on the last page; a page may be shorter than its limit before that.
type ConsumptionPage struct {
	Rows []Consumption `json:"rows"`
	Next string        `json:"next,omitempty"`
}

// Consumption is one group's use of energy in one window.
type Consumption struct {
	Group string `json:"group"`
	// Start and End bound the window: [Start, End).
	Start Time `json:"start"`
	End   Time `json:"end"`
	// EnergyWh is what was used; absent where nothing is known of the window.
	EnergyWh *Milli `json:"energy_wh,omitempty"`
	// MeanW is each device's energy used while observed, by the time observed,
	// added up; absent where no device was observed for a minute.
	MeanW *Milli `json:"mean_w,omitempty"`
	// MinW and MaxW are the extremes of a single device's readings; absent where
	// there are none.
	MinW *Milli `json:"min_w,omitempty"`
	MaxW *Milli `json:"max_w,omitempty"`
	// Coverage is the observed share of the window, 0 to 1, over all devices.
	Coverage Milli `json:"coverage"`
	// Estimated says that energy used while nobody was reading is included, so
	// that some of it may belong to an earlier window.
	Estimated bool `json:"estimated,omitempty"`
}

// LastQuery asks a history for the last reading of each of some devices, at most
// MaxPage of them.
type LastQuery struct {
	Devices []string `json:"devices"`
}

// LastPage is the answer. Devices of which nothing is kept are left out.
type LastPage struct {
	Last []LastReading `json:"last"`
}

// LastReading is where a device stood. Reading is nil where readings of that age
// are no longer kept.
type LastReading struct {
	Device  string   `json:"device"`
	Point   Point    `json:"point"`
	Reading *Reading `json:"reading,omitempty"`
}

// RebuildQuery asks the history to make the quarter-hours of [From, To) anew from
// the raw readings, as far as these are still kept. No devices means all.
type RebuildQuery struct {
	Devices []string `json:"devices,omitempty"`
	From    Time     `json:"from"`
	To      Time     `json:"to"`
	// Cursor is the Next of the page before.
	Cursor string `json:"cursor,omitempty"`
}

// RebuildPage says what a part of the work came to. Next is empty when all is done.
type RebuildPage struct {
	// Days counts the days of devices that had readings. Of these, Made had
	// quarter-hours that nobody had made yet, and Changed some that were not right.
	Days    int `json:"days"`
	Made    int `json:"made"`
	Changed int `json:"changed"`
	// Done and Total count the days of devices that were gone through, with this
	// page and those before it.
	Done  int    `json:"done"`
	Total int    `json:"total"`
	Next  string `json:"next,omitempty"`
}

// ReplayQuery asks a collector for the readings of its journal from a number on.
type ReplayQuery struct {
	Stream string `json:"stream"`
	From   uint64 `json:"from"`
	Limit  int    `json:"limit,omitempty"`
}

// Validate reports every fault as a CodeInvalid error.
func (q ReplayQuery) Validate() error {
	var found Faults
	found.Check("stream", CheckID(q.Stream))
	if q.From == 0 {
		found.Add("from", "must be at least 1")
	}
	if q.Limit < 0 || q.Limit > MaxPage {
		found.Add("limit", "must lie between 1 and %d", MaxPage)
	}
	return found.Err()
}

// ReplayPage is the answer: consecutive readings, beginning at From or, where
// the journal no longer has that, at First.
type ReplayPage struct {
	Stream string `json:"stream"`
	// First and Last are the numbers that the journal holds; First is Last + 1
	// where it is empty.
	First    uint64    `json:"first"`
	Last     uint64    `json:"last"`
	Readings []Reading `json:"readings"`
}
