package api

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/wattline/wattline"
)

// taggedItem is a device as it is answered, and its ETag: the version of its
// description, and a digest of all that is shown. The digest tells whether anything
// is different, such as the power; the version whether the description is, which is
// all that If-Match is held against.
func taggedItem(item DeviceItem) (body []byte, tag string, err error) {
	body, err = json.Marshal(item)
	if err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256(body)
	return body, fmt.Sprintf(`W/"%d.%s"`, item.Version, hex.EncodeToString(sum[:6])), nil
}

// unchangedSince is a conflict where If-Match names other versions of a device than
// the one that it has.
func unchangedSince(header http.Header, device wattline.Device) error {
	given := header.Values("If-Match")
	if len(given) == 0 {
		return nil
	}
	for tag := range strings.SplitSeq(strings.Join(given, ","), ",") {
		version, err := versionIn(strings.TrimSpace(tag))
		if err != nil {
			return err
		}
		if version == anyVersion || version == strconv.FormatUint(device.Version, 10) {
			return nil
		}
	}
	return wattline.Errorf(wattline.CodeConflict,
		"device %q has changed since the version that If-Match names: ask for it again, and change what it is now", device.ID)
}

const anyVersion = "*"

func versionIn(tag string) (string, error) {
	if tag == anyVersion {
		return tag, nil
	}
	quoted := strings.TrimPrefix(tag, "W/")
	if len(quoted) < 2 || quoted[0] != '"' || quoted[len(quoted)-1] != '"' {
		return "", wattline.Invalid(wattline.FieldError{Field: "If-Match", Reason: "must be the ETag of a device, or *"})
	}
	version, _, _ := strings.Cut(quoted[1:len(quoted)-1], ".")
	return version, nil
}

// onlyIfNew tells whether If-None-Match: * asks for a device that is not there yet.
func onlyIfNew(header http.Header) (bool, error) {
	given := header.Values("If-None-Match")
	switch {
	case len(given) == 0:
		return false, nil
	case len(given) == 1 && given[0] == anyVersion:
		return true, nil
	}
	return false, wattline.Invalid(wattline.FieldError{Field: "If-None-Match", Reason: "must be * here: only if there is no such device yet"})
}
