package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"

	"github.com/spf13/cobra"

	"github.com/wattline/wattline/internal/accounts"
	"github.com/wattline/wattline/internal/audit"
	"github.com/wattline/wattline/internal/config"
)

// localOptions say where the data folder is. Whoever may write to it needs no token,
// and gateways that run notice the change within a second.
type localOptions struct {
	file   string
	asJSON bool
}

func (o *localOptions) bind(command *cobra.Command) {
	command.PersistentFlags().StringVarP(&o.file, "config", "c", "wattline.yaml", "the configuration file, for its data folder")
	command.PersistentFlags().BoolVar(&o.asJSON, "json", false, "print JSON")
	_ = command.MarkPersistentFlagFilename("config", "yaml", "yml")
}

// data is the data folder, which must be there: a mistyped one is not made. Without a
// configuration it is that of wattline demo.
func (o *localOptions) data(command *cobra.Command) (string, error) {
	loaded, err := config.Load(o.file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !command.Flags().Changed("config"):
		loaded = config.Default()
	case err != nil:
		return "", err
	}
	if _, err := os.Stat(loaded.Data); err != nil {
		return "", fmt.Errorf("%w; name the configuration with -c, or start Wattline once", err)
	}
	return loaded.Data, nil
}

// open opens the tokens and users for a command.
func (o *localOptions) open(command *cobra.Command, do func(*accounts.Accounts) error) error {
	data, err := o.data(command)
	if err != nil {
		return err
	}
	opened, err := accounts.Open(command.Context(), accounts.Options{Path: accounts.Path(data)})
	if err != nil {
		return err
	}
	return errors.Join(do(opened), opened.Close())
}

// change opens the tokens and users for a command that changes them, which the audit
// keeps: that it was tried, and what became of it.
func (o *localOptions) change(command *cobra.Command, entry audit.Entry, do func(*accounts.Accounts) error) error {
	data, err := o.data(command)
	if err != nil {
		return err
	}
	kept, err := audit.Open(command.Context(), audit.Options{Path: audit.Path(data)})
	if err != nil {
		return err
	}
	defer kept.Close()
	entry.Who, entry.Outcome = whoRuns(), audit.Attempted
	if err := kept.Write(command.Context(), entry); err != nil {
		return err
	}
	err = o.open(command, do)
	entry.Outcome, entry.Code = audit.OutcomeOf(err)
	// It has happened, whoever presses Ctrl-C meanwhile.
	return errors.Join(err, kept.Write(context.WithoutCancel(command.Context()), entry))
}

// whoRuns is who runs this program, for the audit.
func whoRuns() string {
	current, err := user.Current()
	if err != nil {
		return fmt.Sprintf("cli:%d", os.Getuid())
	}
	return "cli:" + current.Username
}
