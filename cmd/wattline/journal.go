package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api"
	"github.com/wattline/wattline/client"
)

func newJournal() *cobra.Command {
	var gateway gatewayOptions
	command := &cobra.Command{
		Use:   "journal",
		Short: "See what waits for a store, forget a hook, deal with refused readings",
		Long: `Look after the readings on their way into the stores. A journal belongs to a
running collector, so these commands ask the gateway.`,
		Example: `  wattline journal status
  wattline journal forget influx
  wattline journal dead-letters --explain
  wattline journal dead-letters --resend-all`,
		Args: usage(cobra.NoArgs),
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	gateway.bind(command)
	command.AddCommand(newJournalStatus(&gateway), newJournalForget(&gateway), newDeadLetters(&gateway))
	return command
}

func newJournalStatus(gateway *gatewayOptions) *cobra.Command {
	var asJSON bool
	command := &cobra.Command{
		Use:   "status",
		Short: "Show what each journal holds and how far behind each hook is",
		Long: `Show, for every collector that is alive, what its journal holds and how far behind
each hook is that it waits for; and for every hook whether its store takes readings.
The exit code is 1 if one of them does not answer.`,
		Example: `  wattline journal status
  wattline journal status --json --url http://gateway.lan:8080`,
		Args: usage(cobra.NoArgs),
		RunE: func(command *cobra.Command, _ []string) error {
			remote, err := gateway.client(command)
			if err != nil {
				return err
			}
			var view statusView
			if view.JournalList, err = answerOf[api.JournalList](remote.ListJournals(command.Context())); err != nil {
				return err
			}
			if view.HookList, err = answerOf[api.HookList](remote.ListHooks(command.Context())); err != nil {
				return err
			}
			if asJSON {
				err = writeJSON(command.OutOrStdout(), view)
			} else {
				err = writeStatus(command.OutOrStdout(), view)
			}
			if err == nil && view.incomplete() {
				err = errReported
			}
			return err
		},
	}
	command.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return command
}

// statusView is what journal status prints.
type statusView struct {
	api.JournalList
	api.HookList
}

// incomplete tells whether somebody did not answer.
func (v statusView) incomplete() bool {
	return slices.ContainsFunc(v.Journals, func(j api.JournalItem) bool { return j.Error != nil }) ||
		slices.ContainsFunc(v.Hooks, func(h api.HookItem) bool { return h.Error != nil })
}

func newJournalForget(gateway *gatewayOptions) *cobra.Command {
	var instance string
	command := &cobra.Command{
		Use:   "forget HOOK",
		Short: "No longer wait for a hook that is gone for good",
		Long: `Have the journals wait no longer for a hook that is gone for good: they drop what
the other hooks have stored. What the forgotten one lacks is lost to it. It is waited
for again once it stores more than it had. A hook in journal.wait_for has to be taken
out of the configuration instead.`,
		Example: `  wattline journal forget influx
  wattline journal forget influx --instance collector-2f6b`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(command *cobra.Command, args []string) error {
			if err := wattline.CheckID(args[0]); err != nil {
				return usageError{fmt.Errorf("HOOK %.80q %w", args[0], err)}
			}
			remote, err := gateway.client(command)
			if err != nil {
				return err
			}
			journals, err := waitingFor(command.Context(), remote, args[0], instance)
			if err != nil {
				return err
			}
			for _, j := range journals {
				_, err := answerOf[wattline.JournalStatus](remote.ForgetHook(command.Context(), j.instance, args[0]))
				if err != nil {
					return fmt.Errorf("%s: %w", j.instance, err)
				}
				fmt.Fprintf(command.OutOrStdout(), "%s no longer waits for %s, which lacks %d readings\n", j.instance, args[0], j.behind)
			}
			return nil
		},
	}
	command.Flags().StringVar(&instance, "instance", "", "at this collector only")
	return command
}

// waiting is a journal that waits for a hook.
type waiting struct {
	instance string
	behind   uint64
}

// waitingFor is the journals that wait for a hook: of one instance, or of all.
func waitingFor(ctx context.Context, gateway *client.Client, hook, instance string) (found []waiting, err error) {
	list, err := answerOf[api.JournalList](gateway.ListJournals(ctx))
	if err != nil {
		return nil, err
	}
	for _, item := range list.Journals {
		if instance != "" && item.Instance != instance {
			continue
		}
		if item.Error != nil {
			return nil, fmt.Errorf("%s does not answer: %w", item.Instance, item.Error)
		}
		for _, h := range item.Journal.Hooks {
			if h.Hook == hook {
				found = append(found, waiting{item.Instance, h.Behind})
			}
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("no journal waits for hook %s: see wattline journal status", hook)
	}
	return found, nil
}
