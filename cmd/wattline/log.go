package main

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"
)

// logOptions are the flags that every command has.
type logOptions struct {
	level  string
	format string
}

func (o *logOptions) bind(root *cobra.Command) {
	root.PersistentFlags().StringVar(&o.level, "log-level", "info", "what to log: debug, info, warn or error")
	root.PersistentFlags().StringVar(&o.format, "log-format", "text", "how to log: text or json")
}

// logger writes to the command's standard error.
func (o *logOptions) logger(to io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(o.level)); err != nil {
		return nil, usageError{fmt.Errorf("--log-level must be debug, info, warn or error, not %q", o.level)}
	}
	options := &slog.HandlerOptions{Level: level}
	switch o.format {
	case "text":
		return slog.New(slog.NewTextHandler(to, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(to, options)), nil
	}
	return nil, usageError{fmt.Errorf("--log-format must be text or json, not %q", o.format)}
}

// quiet is the logger of a command that prints what it found and ends: warnings
// and worse, unless asked for more.
func (o *logOptions) quiet(command *cobra.Command) (*slog.Logger, error) {
	options := *o
	if !command.Flags().Changed("log-level") {
		options.level = "warn"
	}
	return options.logger(command.ErrOrStderr())
}
