package powercuttest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// sector is what a disk writes whole or not at all.
const sector = 512

// disk follows the calls of a program: what is on the disk for certain, and what
// may be.
type disk struct {
	folder string
	files  map[string]*inode // as the program sees them
	names  map[string]*inode // as they are on the disk
	// renamed are changes of names that are not synced, by folder.
	renamed map[string][]change
	open    map[int64]*handle
	said    strings.Builder
}

// inode is a file, whatever its name.
type inode struct {
	synced  []byte
	pending []write
	size    int64
}

// write is a change of a file that is not synced. Without data it sets the size.
type write struct {
	at   int64
	data []byte
	end  int
}

// change gives a name to a file (nil takes it away), and takes another name away.
type change struct {
	path string
	to   *inode
	gone string
	end  int
}

// handle is an open file.
type handle struct {
	at     int64
	append bool
}

func newDisk(folder string, before map[string][]byte) *disk {
	d := &disk{
		folder: folder, files: map[string]*inode{}, names: map[string]*inode{},
		renamed: map[string][]change{}, open: map[int64]*handle{},
	}
	for path, content := range before {
		d.files[path] = &inode{synced: content, size: int64(len(content))}
		d.names[path] = d.files[path]
	}
	return d
}

func (d *disk) has(path string) bool { return strings.HasPrefix(path, d.folder+"/") }

// do follows one call.
func (d *disk) do(o op) error {
	switch o.call {
	case "openat", "open", "creat":
		return d.opened(o)
	case "rename", "renameat", "renameat2":
		return d.moved(o)
	case "truncate":
		path, err := o.path(0)
		if err != nil || d.files[path] == nil {
			return err
		}
		size, err := o.number(1)
		d.files[path].resize(size, o.end)
		return err
	case "unlink", "unlinkat":
		path, err := o.path(map[string]int{"unlink": 0, "unlinkat": 1}[o.call])
		if err == nil && d.has(path) {
			delete(d.files, path)
			d.rename(change{path: path, end: o.end})
		}
		return err
	}
	return d.onFile(o)
}

// onFile follows a call on an open file.
func (d *disk) onFile(o op) error {
	fd, path, err := o.file()
	if err != nil {
		return err
	}
	if fd == 1 && o.call == "write" {
		text, err := strconv.Unquote(o.args[1])
		d.said.WriteString(text)
		return err
	}
	if path == d.folder || d.has(path) {
		switch o.call {
		case "fsync", "fdatasync":
			d.sync(path, o.began)
			return nil
		case "close":
			delete(d.open, fd)
			return nil
		}
	}
	file := d.files[path]
	if file == nil {
		return nil // of no interest, or removed
	}
	switch o.call {
	case "lseek":
		d.handle(fd).at = o.result
		return nil
	case "write", "pwrite64":
		return d.written(file, o)
	case "ftruncate":
		size, err := o.number(1)
		file.resize(size, o.end)
		return err
	case "fallocate":
		return file.allocated(o)
	}
	return fmt.Errorf("the disk does not know how to %s", o.call)
}

func (d *disk) handle(fd int64) *handle {
	if d.open[fd] == nil {
		d.open[fd] = &handle{}
	}
	return d.open[fd]
}

func (d *disk) opened(o op) error {
	at := 1
	if o.call != "openat" {
		at = 0
	}
	path, err := o.path(at)
	if err != nil || !d.has(path) {
		return err
	}
	flags := strings.Split(o.args[min(at+1, len(o.args)-1)], "|")
	d.open[o.result] = &handle{append: slices.Contains(flags, "O_APPEND")}
	file := d.files[path]
	switch {
	case slices.Contains(flags, "O_DIRECTORY"):
	case file == nil && slices.Contains(flags, "O_CREAT"):
		d.files[path] = &inode{}
		d.rename(change{path: path, to: d.files[path], end: o.end})
	case file != nil && slices.Contains(flags, "O_TRUNC"):
		file.resize(0, o.end)
	}
	return nil
}

func (d *disk) moved(o op) error {
	from, to := 0, 1
	if o.call != "rename" {
		from, to = 1, 3
	}
	old, err := o.path(from)
	if err != nil {
		return err
	}
	path, err := o.path(to)
	if err != nil || !d.has(old) && !d.has(path) {
		return err
	}
	file := d.files[old]
	if file == nil {
		return fmt.Errorf("a file of no known content is renamed: %s", old)
	}
	delete(d.files, old)
	d.files[path] = file
	d.rename(change{path: path, to: file, gone: old, end: o.end})
	return nil
}

func (d *disk) rename(c change) {
	folder := filepath.Dir(c.path)
	d.renamed[folder] = append(d.renamed[folder], c)
}

func (d *disk) written(file *inode, o op) error {
	text, err := strconv.Unquote(o.args[1])
	if err != nil {
		return fmt.Errorf("what was written cannot be read: %w", err)
	}
	w := write{data: []byte(text)[:min(o.result, int64(len(text)))], end: o.end}
	if int64(len(w.data)) != o.result {
		return fmt.Errorf("%d bytes were written and %d are in the log", o.result, len(w.data))
	}
	if o.call == "pwrite64" {
		if w.at, err = o.number(3); err != nil {
			return err
		}
	} else {
		fd, _, _ := o.file()
		h := d.handle(fd)
		if h.append {
			h.at = file.size
		}
		w.at = h.at
		h.at += o.result
	}
	file.size = max(file.size, w.at+o.result)
	file.pending = append(file.pending, w)
	return nil
}

func (f *inode) resize(size int64, end int) {
	f.size = size
	f.pending = append(f.pending, write{at: size, end: end})
}

// allocated follows a call that gives a file room, and perhaps makes it longer.
func (f *inode) allocated(o op) error {
	if o.args[1] == "FALLOC_FL_KEEP_SIZE" {
		return nil
	}
	at, err := o.number(2)
	if err != nil {
		return err
	}
	length, err := o.number(3)
	if o.args[1] != "0" || err != nil {
		return fmt.Errorf("the disk does not know fallocate with mode %s (%w)", o.args[1], err)
	}
	if size := at + length; size > f.size {
		f.resize(size, o.end)
	}
	return nil
}

// sync makes certain what had happened to a file, or to the names in a folder,
// when the call began.
func (d *disk) sync(path string, began int) {
	if file := d.files[path]; file != nil {
		var later []write
		for _, w := range file.pending {
			if w.end < began {
				file.synced = w.apply(file.synced)
			} else {
				later = append(later, w)
			}
		}
		file.pending = later
		return
	}
	changes := d.renamed[path]
	for len(changes) > 0 && changes[0].end < began {
		changes[0].apply(d.names)
		changes = changes[1:]
	}
	d.renamed[path] = changes
}

func (c change) apply(names map[string]*inode) {
	delete(names, c.gone)
	delete(names, c.path)
	if c.to != nil {
		names[c.path] = c.to
	}
}

func (w write) apply(content []byte) []byte {
	end := w.at + int64(len(w.data))
	if w.data == nil && int64(len(content)) > w.at {
		return content[:w.at:w.at]
	}
	if grow := end - int64(len(content)); grow > 0 {
		content = append(content, make([]byte, grow)...)
	}
	copy(content[w.at:], w.data)
	return content
}

// after is what the disk may hold when the power fails now.
func (d *disk) after(dice *rand.Rand) map[string][]byte {
	names := maps.Clone(d.names)
	for _, changes := range d.renamed {
		for _, c := range changes[:dice.IntN(len(changes)+1)] {
			c.apply(names)
		}
	}
	content := map[string][]byte{}
	for path, file := range names {
		content[path] = file.after(dice)
	}
	return content
}

// after is a file with some of what was not synced: nothing, everything, or any
// of its sectors.
func (f *inode) after(dice *rand.Rand) []byte {
	content := slices.Clone(f.synced)
	share := []float64{0, 1, dice.Float64()}[dice.IntN(3)]
	for _, w := range f.pending {
		if w.data == nil {
			if dice.Float64() < share {
				content = w.apply(content)
			}
			continue
		}
		for start := int64(0); start < int64(len(w.data)); {
			end := min(int64(len(w.data)), (w.at+start)/sector*sector+sector-w.at)
			if dice.Float64() < share {
				content = write{at: w.at + start, data: w.data[start:end]}.apply(content)
			}
			start = end
		}
	}
	return content
}
