package persist

import "strings"

// meaning is a reason in plain words, and what to do about it.
type meaning struct{ explanation, remedy string }

// ofTheFuture is in the reason of a reading that a clock which was ahead has given a
// time to come.
const ofTheFuture = "in the future"

// mayGoAgain tells whether a letter is sent again together with all others. Once the
// time of one of the future has come the store would take it, with an energy far
// below that of the readings around it.
func mayGoAgain(reason string) bool { return !strings.Contains(reason, ofTheFuture) }

// explain puts a store's reason for refusing a reading into plain words.
func explain(reason string) meaning {
	for _, known := range []struct {
		part string
		meaning
	}{
		{ofTheFuture, meaning{
			"the clock of the collector was ahead when it took the reading, or the store's was behind when it refused it",
			"set that clock; if it was the store's, send this one again by its id; else leave it: once its time has come it would stand, with what was used long before, among newer ones",
		}},
		{"between the years 2000 and 2199", meaning{
			"the clock of the collector was not set when it took the reading",
			"set that clock; when the reading was really taken is not known, so leave it",
		}},
		{"retention of", meaning{
			"the reading is older than what the store keeps: it came after a long outage, or the store keeps too little",
			"to have it, let the store keep readings for longer and send this one again; else leave it",
		}},
		{"before the newest reading that is kept", meaning{
			"the archive did not take readings that were so much older than its newest one",
			"look for a clock that was ahead, and send this one again",
		}},
		{"kept in part", meaning{
			"the archive has some of the reading's values already, of a write that was cut off",
			"leave it; if it happens often, look at the disk",
		}},
		{"too large to be kept exactly", meaning{
			"the plug, or somebody's collector, reported a value that cannot be",
			"leave it, and look at the device",
		}},
		{"field type conflict", meaning{
			"somebody else has written points of the same name and of another kind into the bucket",
			"delete those points, then send this one again",
		}},
		{"max-values-per-tag", meaning{
			"InfluxDB has reached its limit on different devices",
			"raise the limit in InfluxDB, then send this one again",
		}},
		{"max-series-per-database", meaning{
			"InfluxDB has reached its limit on series",
			"raise the limit in InfluxDB, then send this one again",
		}},
		{"unable to parse", meaning{
			"InfluxDB does not understand how the reading was written: a fault of Wattline",
			"report it with this letter; send it again after an update",
		}},
		{"must", meaning{
			"the reading is not valid: whoever took it wrote a field as it may not be",
			"mend the collector that took it if it is yours, else report it; this reading stays as it is",
		}},
	} {
		if strings.Contains(reason, known.part) {
			return known.meaning
		}
	}
	return meaning{
		"the store says that it will never take this reading",
		"mend what the reason names, then send it again",
	}
}
