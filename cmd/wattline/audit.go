package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/wattline/wattline/internal/audit"
)

func newAudit() *cobra.Command {
	var local localOptions
	command := &cobra.Command{
		Use:     "audit",
		Short:   "Look whether the audit is as it was written",
		Example: `  wattline audit verify`,
		Args:    usage(cobra.NoArgs),
		RunE:    func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	local.bind(command)
	command.AddCommand(newAuditVerify(&local))
	return command
}

func newAuditVerify(local *localOptions) *cobra.Command {
	var known []string
	command := &cobra.Command{
		Use:   "verify",
		Short: "Say which records were changed, removed or put in",
		Long: `Read the whole audit of the data folder and say which records were changed, removed or
put in since they were written. Wattline may run meanwhile. The exit code is 1 if any was.

Whoever can write to the file can also cut off its end, or write all of it anew, so that
it looks whole. That shows against a head from before, kept elsewhere: this command prints
one, and Wattline logs one when it starts, when it ends and every hour.`,
		Example: `  wattline audit verify
  wattline audit verify --head 1204:5d41402abc4b2a76b9719d911017c5925d41402abc4b2a76b9719d911017c592`,
		Args: usage(cobra.NoArgs),
		RunE: func(command *cobra.Command, _ []string) error {
			heads := make([]audit.Head, len(known))
			for i, text := range known {
				head, err := audit.ParseHead(text)
				if err != nil {
					return usageError{fmt.Errorf("--head %w", err)}
				}
				heads[i] = head
			}
			data, err := local.data(command)
			if err != nil {
				return err
			}
			report, err := audit.Verify(command.Context(), audit.Path(data), heads...)
			if err != nil {
				return err
			}
			return printReport(command, local.asJSON, report)
		},
	}
	command.Flags().StringArrayVar(&known, "head", nil, "a head from before, SEQ:HASH; may be repeated")
	return command
}

func printReport(command *cobra.Command, asJSON bool, report audit.Report) error {
	out := command.OutOrStdout()
	if asJSON {
		if err := writeJSON(out, report); err != nil {
			return err
		}
	} else {
		for _, fault := range report.Faults {
			fmt.Fprintln(out, fault)
		}
		fmt.Fprintf(out, "%d records from %d on, %d faults; the head is %s\n", report.Records, report.First, len(report.Faults), report.Head)
	}
	if len(report.Faults) > 0 {
		return errReported
	}
	return nil
}
