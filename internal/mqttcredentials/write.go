package mqttcredentials

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
)

// write replaces the file as a whole, so that whoever reads it sees the old or the
// new, and a power cut leaves one of them.
func write(path string, list []Credential) error {
	data, err := json.MarshalIndent(content{Credentials: list}, "", "  ")
	if err != nil {
		return err
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), FileName+".*") // 0600
	if err != nil {
		return err
	}
	_, err = temporary.Write(append(data, '\n'))
	err = errors.Join(err, temporary.Sync(), temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary.Name()))
	}
	return syncFolder(filepath.Dir(path))
}

func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
