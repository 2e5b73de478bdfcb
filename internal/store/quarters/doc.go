// Package quarters keeps the summaries of quarter-hours, so that a store answers
// questions about long stretches of time without reading every reading, and
// still answers them when the readings are past their retention.
//
// Of each device and UTC day there is one Record: the summaries of its 96
// quarter-hours, with those of the 24 hours and of the day made of them, and the
// set of the quarter-hours that are sealed. A sealed one says exactly what the
// raw readings say, or said while they were kept. An empty quarter-hour can be
// sealed too; a record that is not there has nothing sealed.
//
// A store brings two things, Kept for the records and Raw for its readings, and
// gives them to a Keeper:
//
//   - Keeper.Summaries is the store's Summaries: from the records what is sealed,
//     from the readings the rest, but where the record knows of readings that are gone.
//   - Keeper.Writing is called by the store's Write before any reading is written.
//     It un-seals the quarter-hours of late readings, durably, and keeps them
//     from being sealed until they are written.
//   - Keeper.Upkeep and Keeper.Rebuild are the store's.
package quarters
