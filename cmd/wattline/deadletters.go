package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api"
	"github.com/wattline/wattline/client"
)

// deadLetterFlags are those of journal dead-letters.
type deadLetterFlags struct {
	instance  string
	resend    []string
	resendAll bool
	explain   bool
	asJSON    bool
}

func newDeadLetters(gateway *gatewayOptions) *cobra.Command {
	var flags deadLetterFlags
	command := &cobra.Command{
		Use:   "dead-letters [--resend ID... | --resend-all]",
		Short: "List, explain and send again the readings that a store refused",
		Long: `List the readings that a store refused for good, which its hook keeps in a file, or
send some or all of them to the store again: those that it takes now are no longer kept,
the others stay with the new reason. Sending one again never does harm. After sending,
the exit code is 1 if not all were taken.`,
		Example: `  wattline journal dead-letters
  wattline journal dead-letters --explain
  wattline journal dead-letters --resend 3f2a9c0d11e07b52
  wattline journal dead-letters --resend-all`,
		Args: usage(func(_ *cobra.Command, args []string) error { return flags.check(args) }),
		RunE: func(command *cobra.Command, args []string) error {
			remote, err := gateway.client(command)
			if err != nil {
				return err
			}
			hooks, err := hooksOf(command.Context(), remote, flags.instance)
			if err != nil {
				return err
			}
			if flags.resendAll || len(flags.resend) > 0 {
				return resend(command, remote, hooks, flags.with(args))
			}
			return list(command, remote, hooks, flags)
		},
	}
	command.Flags().StringVar(&flags.instance, "instance", "", "of the hook at this instance only")
	command.Flags().StringSliceVar(&flags.resend, "resend", nil, "send these again: ids, with spaces or commas between them")
	command.Flags().BoolVar(&flags.resendAll, "resend-all", false, "send all of them again but those of a clock that was ahead")
	command.Flags().BoolVar(&flags.explain, "explain", false, "say what each reason means and what to do")
	command.Flags().BoolVar(&flags.asJSON, "json", false, "print JSON")
	return command
}

// check refuses what does not go together. Further ids may stand alone.
func (f *deadLetterFlags) check(args []string) error {
	switch {
	case len(args) > 0 && len(f.resend) == 0:
		return fmt.Errorf("unexpected %q: ids go with --resend", args[0])
	case len(f.resend) > 0 && f.resendAll:
		return errors.New("--resend and --resend-all do not go together")
	}
	for _, id := range slices.Concat(f.resend, args) {
		if err := wattline.CheckID(id); err != nil {
			return fmt.Errorf("id %.80q %w", id, err)
		}
	}
	return nil
}

func (f deadLetterFlags) with(args []string) deadLetterFlags {
	f.resend = slices.Concat(f.resend, args)
	return f
}

// hooksOf are those that answer, or the one at an instance.
func hooksOf(ctx context.Context, gateway *client.Client, instance string) (found []api.HookItem, err error) {
	all, err := answerOf[api.HookList](gateway.ListHooks(ctx))
	if err != nil {
		return nil, err
	}
	for _, item := range all.Hooks {
		if instance != "" && item.Instance != instance {
			continue
		}
		if item.Error != nil {
			return nil, fmt.Errorf("the hook at %s does not answer: %w", item.Instance, item.Error)
		}
		found = append(found, item)
	}
	switch {
	case len(found) > 0:
		return found, nil
	case len(all.Hooks) > 0:
		return nil, fmt.Errorf("no hook is running at instance %q, but at %s", instance, instancesOf(all.Hooks))
	}
	return nil, errors.New("no hook is running: start one (wattline up, or wattline run hook)")
}

func instancesOf(hooks []api.HookItem) string {
	names := make([]string, len(hooks))
	for i, hook := range hooks {
		names[i] = plain(hook.Instance)
	}
	return strings.Join(names, ", ")
}

// letterView is a dead letter with the hook that keeps it.
type letterView struct {
	Hook     string `json:"hook"`
	Instance string `json:"instance"`
	wattline.DeadLetter
}

// list prints the letters, page by page, so that any number can be looked at.
func list(command *cobra.Command, gateway *client.Client, hooks []api.HookItem, flags deadLetterFlags) error {
	letters := []letterView{}
	unreadable := 0
	for _, hook := range hooks {
		for params := (client.ListDeadLettersParams{Limit: new(wattline.MaxPage)}); ; {
			page, err := answerOf[wattline.DeadLetterPage](gateway.ListDeadLetters(command.Context(), hook.Instance, &params))
			if err != nil {
				return err
			}
			for _, letter := range page.Letters {
				letters = append(letters, letterView{page.Hook, hook.Instance, letter})
			}
			if params.After = given(page.Next); page.Next == "" {
				unreadable += page.Unreadable
				break
			}
		}
	}
	if flags.asJSON {
		return writeJSON(command.OutOrStdout(), letters)
	}
	if unreadable > 0 {
		defer fmt.Fprintf(command.OutOrStdout(), "\n%d lines of the files cannot be read; they are left as they are.\n", unreadable)
	}
	return writeLetters(command.OutOrStdout(), letters, flags.explain)
}

func writeLetters(out io.Writer, letters []letterView, explain bool) error {
	if len(letters) == 0 {
		_, err := fmt.Fprintln(out, "no dead letters")
		return err
	}
	table := newTable(out)
	fmt.Fprintln(table, "ID\tHOOK\tDEVICE\tTAKEN\tPOWER W\tTRIES\tREASON")
	means := map[string][2]string{}
	for _, l := range letters {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%d\t%s\n", l.ID, l.Hook, plain(l.Reading.Device), l.Reading.Time, l.Reading.PowerW, l.Tries, plain(l.Reason))
		means[l.Reason] = [2]string{l.Explanation, l.Remedy}
	}
	if err := table.Flush(); err != nil || !explain {
		return err
	}
	for _, reason := range slices.Sorted(maps.Keys(means)) {
		fmt.Fprintf(out, "\n%s\n  What it means: %s.\n  What to do: %s.\n", plain(reason), means[reason][0], means[reason][1])
	}
	return nil
}

// resend has letters sent again and says what became of them.
func resend(command *cobra.Command, gateway *client.Client, hooks []api.HookItem, flags deadLetterFlags) error {
	answers := []wattline.Resent{}
	known := map[string]bool{}
	for _, hook := range hooks {
		answer, err := resendAll(command.Context(), gateway, hook.Instance, client.ResendQuery{Ids: several(flags.resend), All: &flags.resendAll})
		if err != nil {
			return err
		}
		for _, id := range flags.resend {
			known[id] = known[id] || !slices.Contains(answer.Unknown, id)
		}
		answers = append(answers, answer)
	}
	if flags.asJSON {
		if err := writeJSON(command.OutOrStdout(), answers); err != nil {
			return err
		}
	}
	complete := true
	for _, a := range answers {
		if !flags.asJSON {
			fmt.Fprintf(command.OutOrStdout(), "%s took %d, refused %d, has %d left\n", a.Hook, a.Taken, a.Refused, a.Left)
		}
		if a.Skipped > 0 {
			fmt.Fprintf(command.ErrOrStderr(), "%s left %d alone, of a clock that was ahead: --explain tells why, --resend ID sends one\n", a.Hook, a.Skipped)
		}
		if a.Stopped != "" {
			fmt.Fprintf(command.ErrOrStderr(), "%s stopped early: %s\n", a.Hook, a.Stopped)
		}
		complete = complete && a.Refused == 0 && a.Skipped == 0 && a.Stopped == ""
	}
	for _, id := range flags.resend {
		if !known[id] {
			fmt.Fprintf(command.ErrOrStderr(), "no hook has a dead letter %s\n", id)
			complete = false
		}
	}
	if !complete {
		return errReported
	}
	return nil
}

// resendAll asks until all were dealt with or the hook was stopped.
func resendAll(ctx context.Context, gateway *client.Client, instance string, query client.ResendQuery) (total wattline.Resent, err error) {
	for {
		answer, err := answerOf[wattline.Resent](gateway.ResendDeadLetters(ctx, instance, query))
		if err != nil {
			return total, err
		}
		answer.Taken += total.Taken
		answer.Refused += total.Refused
		answer.Skipped += total.Skipped
		total = answer
		if answer.Next == "" || answer.Stopped != "" {
			return total, nil
		}
		query.After = &answer.Next
	}
}
