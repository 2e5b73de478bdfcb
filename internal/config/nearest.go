package config

import (
	"reflect"
	"strings"
)

// nearestKey is the key of a type that is closest to a mistyped one, or empty where
// none is close.
func nearestKey(typed string, of reflect.Type) string {
	if of.Kind() == reflect.Map {
		of = of.Elem()
	}
	best, least := "", len(typed)/2+1
	for _, key := range keysOf(of, nil) {
		if d := distance(strings.ToLower(typed), key); d < least {
			best, least = key, d
		}
	}
	return best
}

func keysOf(t reflect.Type, keys []string) []string {
	for field := range t.Fields() {
		key := field.Tag.Get("yaml")
		if key == "" {
			continue
		}
		keys = append(keys, key)
		inner := field.Type
		if inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct {
			keys = keysOf(inner, keys)
		}
	}
	return keys
}

// distance is Levenshtein's: how many letters to add, drop or change.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			substitute := diagonal
			if a[i-1] != b[j-1] {
				substitute++
			}
			diagonal = row[j]
			row[j] = min(substitute, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
