// Package archive keeps readings on the local disk, in an embedded Prometheus
// TSDB, of which it is the only importer. It is the store of an installation
// that has no other.
//
// A reading is nine series, one for each field, with the label device. Values
// are whole thousandths of their unit, which the TSDB packs into half the bytes
// that fractions take. A reading is there when all of its series have a sample
// at its time, and absent otherwise: one that a crash cut in two is not read
// with zeros in it, and is completed when it is written again.
//
// What the TSDB leaves undone is done here:
//   - It does not sync its logs when it commits. Write syncs them before it
//     returns.
//   - It keeps late samples in a second log, whose write errors it only mentions.
//     They are errors of Write, and the TSDB is opened anew from what is on disk.
//   - After a crash it believes marks in that log about chunk files that were
//     never written, and acknowledged late samples are gone. At each start the
//     marks and the files are removed, and all is read from the logs.
//   - After mending a torn log it goes on without the other one. It is opened
//     again.
//   - A block that it cannot open stops it, and one without a description is
//     passed over. Either is moved to the folder damaged, and that is said.
//
// A late reading that is kept already is not written again, so that of two
// readings with the same device and time the first stays.
//
// On disk an archive is an ordinary Prometheus TSDB folder.
package archive
