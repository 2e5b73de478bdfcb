// Package powercuttest cuts the power of a machine, as far as a test can: it
// records what a program writes and syncs (by strace), and makes from that what
// the disk may hold if the power failed at any moment.
//
// What was synced is there. Of what was written since, any part may be: whole
// writes are left out and sectors of others, as a disk does that has not been
// told to put them in order. A file that was made, renamed or removed is so for
// certain when its folder has been synced; until then the last of such changes
// may not have happened.
//
// It works on Linux, where a process may trace its child.
package powercuttest
