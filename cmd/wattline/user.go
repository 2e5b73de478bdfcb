package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/wattline/wattline/api"
	"github.com/wattline/wattline/internal/accounts"
	"github.com/wattline/wattline/internal/audit"
)

func newUser() *cobra.Command {
	var local localOptions
	command := &cobra.Command{
		Use:   "user",
		Short: "Add, list and remove the people who sign in",
		Long: `Add, list and remove the people who sign in with a password. This works on the data
folder of the configuration, whether Wattline runs or not; a gateway that runs follows
within a second.`,
		Example: `  wattline user add ana --role operator --scope hq/f1
  wattline user list
  wattline user password ana
  wattline user remove ana`,
		Args: usage(cobra.NoArgs),
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	local.bind(command)
	command.AddCommand(newUserAdd(&local), newUserList(&local), newUserPassword(&local), newUserRemove(&local))
	return command
}

// passwordOptions say where a password comes from.
type passwordOptions struct{ file string }

func (o *passwordOptions) bind(command *cobra.Command) {
	command.Flags().StringVar(&o.file, "password-file", "", "a file with the password in its first line, or - for standard input; else it is asked for")
	_ = command.MarkFlagFilename("password-file")
}

// read is the password, which is not shown when it is typed.
func (o *passwordOptions) read(command *cobra.Command) (string, error) {
	switch o.file {
	case "":
	case "-":
		return firstLine(command.InOrStdin())
	default:
		file, err := os.Open(o.file)
		if err != nil {
			return "", err
		}
		defer file.Close()
		return firstLine(file)
	}
	keyboard := int(os.Stdin.Fd())
	if !term.IsTerminal(keyboard) {
		return "", usageError{errors.New("there is no terminal to ask for the password: give --password-file")}
	}
	ask := func(prompt string) (string, error) {
		fmt.Fprint(command.ErrOrStderr(), prompt)
		typed, err := term.ReadPassword(keyboard)
		fmt.Fprintln(command.ErrOrStderr())
		return string(typed), err
	}
	first, err := ask("Password: ")
	if err != nil {
		return "", err
	}
	if second, err := ask("Again: "); err != nil || second != first {
		return "", errors.Join(errors.New("the two are not the same"), err)
	}
	return first, nil
}

func firstLine(from io.Reader) (string, error) {
	const most = 1024
	lines := bufio.NewScanner(io.LimitReader(from, most))
	if !lines.Scan() {
		return "", errors.Join(errors.New("there is no password in the first line"), lines.Err())
	}
	return lines.Text(), nil
}

func newUserAdd(local *localOptions) *cobra.Command {
	var rights rightsOptions
	var password passwordOptions
	command := &cobra.Command{
		Use:   "add NAME",
		Short: "Add a user",
		Long:  `Add a user with a password of at least 12 characters.`,
		Example: `  wattline user add ana --role operator --scope hq/f1
  wattline user add eva --role admin --scope '*' --password-file eva.password`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(command *cobra.Command, args []string) error {
			role, scope, err := rights.parse()
			if err != nil {
				return err
			}
			wanted := accounts.NewUser{Name: args[0], Role: role, Scope: scope}
			if wanted.Password, err = password.read(command); err != nil {
				return err
			}
			var made accounts.User
			err = local.change(command, audit.Entry{Action: "user.create", Detail: wanted.String()}, func(a *accounts.Accounts) (err error) {
				made, err = a.CreateUser(command.Context(), wanted)
				return err
			})
			if err != nil {
				return err
			}
			return printUsers(command, local.asJSON, made)
		},
	}
	rights.bind(command)
	password.bind(command)
	return command
}

func newUserList(local *localOptions) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the users",
		Example: `  wattline user list --json`,
		Args:    usage(cobra.NoArgs),
		RunE: func(command *cobra.Command, _ []string) error {
			return local.open(command, func(a *accounts.Accounts) error {
				users, err := a.Users(command.Context())
				if err != nil {
					return err
				}
				if local.asJSON {
					return writeJSON(command.OutOrStdout(), api.UserList{Users: users})
				}
				return writeUsers(command.OutOrStdout(), users)
			})
		},
	}
}

func printUsers(command *cobra.Command, asJSON bool, user accounts.User) error {
	if asJSON {
		return writeJSON(command.OutOrStdout(), user)
	}
	return writeUsers(command.OutOrStdout(), []accounts.User{user})
}

func writeUsers(out io.Writer, users []accounts.User) error {
	table := newTable(out)
	fmt.Fprintln(table, "NAME\tROLE\tSCOPE\tADDED\tCHANGED\t")
	for _, u := range users {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t\n", u.Name, u.Role, u.Scope, u.CreatedAt, u.ChangedAt)
	}
	return table.Flush()
}

func newUserPassword(local *localOptions) *cobra.Command {
	var password passwordOptions
	command := &cobra.Command{
		Use:   "password NAME",
		Short: "Give a user another password",
		Long:  `Give a user another password, which ends their sessions.`,
		Example: `  wattline user password ana
  wattline user password ana --password-file ana.password`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(command *cobra.Command, args []string) error {
			given, err := password.read(command)
			if err != nil {
				return err
			}
			change := accounts.UserChange{Password: &given}
			var user accounts.User
			err = local.change(command, audit.Entry{Action: "user.change", Detail: args[0] + " " + change.String()}, func(a *accounts.Accounts) (err error) {
				user, err = a.ChangeUser(command.Context(), args[0], change)
				return err
			})
			if err != nil {
				return err
			}
			return printUsers(command, local.asJSON, user)
		},
	}
	password.bind(command)
	return command
}

func newUserRemove(local *localOptions) *cobra.Command {
	return &cobra.Command{
		Use:     "remove NAME",
		Short:   "Remove a user and end their sessions",
		Example: `  wattline user remove ana`,
		Args:    usage(cobra.ExactArgs(1)),
		RunE: func(command *cobra.Command, args []string) error {
			return local.change(command, audit.Entry{Action: "user.remove", Detail: args[0]}, func(a *accounts.Accounts) error {
				return a.RemoveUser(command.Context(), args[0])
			})
		},
	}
}
