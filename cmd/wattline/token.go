package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api"
	"github.com/wattline/wattline/internal/access"
	"github.com/wattline/wattline/internal/accounts"
	"github.com/wattline/wattline/internal/audit"
)

func newToken() *cobra.Command {
	var local localOptions
	command := &cobra.Command{
		Use:   "token",
		Short: "Make, list and revoke the tokens of the API",
		Long: `Make, list and revoke the tokens with which programs use the API. This works on the
data folder of the configuration, whether Wattline runs or not; a gateway that runs
follows within a second.`,
		Example: `  wattline token create --name research --role viewer --scope hq/f1,kind:printer
  wattline token list
  wattline token revoke research`,
		Args: usage(cobra.NoArgs),
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	local.bind(command)
	command.AddCommand(newTokenCreate(&local), newTokenList(&local), newTokenRevoke(&local))
	return command
}

// rightsOptions are the flags for what somebody may do.
type rightsOptions struct{ role, scope string }

func (o *rightsOptions) bind(command *cobra.Command) {
	command.Flags().StringVar(&o.role, "role", "", "viewer, operator (switches) or admin (changes devices)")
	command.Flags().StringVar(&o.scope, "scope", "", "where: * or locations, kinds and labels, such as hq/f1,kind:printer,label:cost-centre:4100")
	_ = command.RegisterFlagCompletionFunc("role", cobra.FixedCompletions(
		[]string{string(access.Viewer), string(access.Operator), string(access.Admin)}, cobra.ShellCompDirectiveNoFileComp))
}

func (o *rightsOptions) parse() (access.Role, access.Scope, error) {
	role, err := access.ParseRole(o.role)
	if err != nil {
		return "", access.Scope{}, usageError{fmt.Errorf("--role %w", err)}
	}
	scope, err := access.ParseScope(o.scope)
	if err != nil {
		return "", access.Scope{}, usageError{fmt.Errorf("--scope %w", err)}
	}
	return role, scope, nil
}

func newTokenCreate(local *localOptions) *cobra.Command {
	var rights rightsOptions
	var name, expires string
	command := &cobra.Command{
		Use:   "create",
		Short: "Make a token and print its secret once",
		Long: `Make a token and print its secret, which is kept nowhere and cannot be shown again.
Programs send it as Authorization: Bearer. The role says what it may do with the devices
of its scope; tokens, users and the audit are for admins with the scope *.`,
		Example: `  wattline token create --name research --role viewer --scope hq/f1 --expires 90d
  WATTLINE_TOKEN=$(wattline token create --name ci --role admin --scope '*' --expires 12h)`,
		Args: usage(cobra.NoArgs),
		RunE: func(command *cobra.Command, _ []string) error {
			role, scope, err := rights.parse()
			if err != nil {
				return err
			}
			until, err := accounts.ParseExpiry(expires, time.Now())
			if err != nil {
				return usageError{fmt.Errorf("--expires %w", err)}
			}
			wanted := accounts.NewToken{Name: name, Role: role, Scope: scope, Expires: until}
			var created api.CreatedToken
			err = local.change(command, audit.Entry{Action: "token.create", Detail: wanted.String()}, func(a *accounts.Accounts) (err error) {
				created.Token, created.Secret, err = a.CreateToken(command.Context(), wanted)
				return err
			})
			if err != nil {
				return err
			}
			return printToken(command, local.asJSON, created)
		},
	}
	command.Flags().StringVar(&name, "name", "", "its name, which the audit has")
	command.Flags().StringVar(&expires, "expires", accounts.DefaultExpiry, "in how many days (90d) or hours (12h), or when, or never")
	rights.bind(command)
	return command
}

// printToken prints the secret alone to standard output, so that a script can take it.
func printToken(command *cobra.Command, asJSON bool, created api.CreatedToken) error {
	if asJSON {
		return writeJSON(command.OutOrStdout(), created)
	}
	fmt.Fprintf(command.ErrOrStderr(), "%s: %s of %s, expires %s. This is shown once:\n",
		created.Name, created.Role, created.Scope, orNever(created.ExpiresAt))
	_, err := fmt.Fprintln(command.OutOrStdout(), created.Secret)
	return err
}

func newTokenList(local *localOptions) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the tokens",
		Long:    `List the tokens, with when each was used last. Those that have ended stay for 90 days.`,
		Example: `  wattline token list --json`,
		Args:    usage(cobra.NoArgs),
		RunE: func(command *cobra.Command, _ []string) error {
			return local.open(command, func(a *accounts.Accounts) error {
				tokens, err := a.Tokens(command.Context())
				if err != nil {
					return err
				}
				if local.asJSON {
					return writeJSON(command.OutOrStdout(), api.TokenList{Tokens: tokens})
				}
				return writeTokens(command.OutOrStdout(), tokens, time.Now())
			})
		},
	}
}

func writeTokens(out io.Writer, tokens []accounts.Token, now time.Time) error {
	table := newTable(out)
	fmt.Fprintln(table, "ID\tNAME\tROLE\tSCOPE\tEXPIRES\tLAST USED\t")
	for _, t := range tokens {
		expires := orNever(t.ExpiresAt)
		switch {
		case t.RevokedAt != nil:
			expires = "revoked " + t.RevokedAt.String()
		case t.ExpiresAt != nil && !now.Before(t.ExpiresAt.Time):
			expires = "expired " + expires
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t\n", t.ID, t.Name, t.Role, t.Scope, expires, orNever(t.LastUsedAt))
	}
	return table.Flush()
}

func orNever(at *wattline.Time) string {
	if at == nil {
		return "never"
	}
	return at.String()
}

func newTokenRevoke(local *localOptions) *cobra.Command {
	return &cobra.Command{
		Use:   "revoke NAME|ID",
		Short: "End a token for good",
		Long: `End a token for good, within a second at every gateway that has this data folder; what
it has under way breaks off.`,
		Example: `  wattline token revoke research`,
		Args:    usage(cobra.ExactArgs(1)),
		RunE: func(command *cobra.Command, args []string) error {
			var found accounts.Token
			err := local.open(command, func(a *accounts.Accounts) (err error) {
				found, err = findToken(command, a, args[0])
				return err
			})
			if err != nil {
				return err
			}
			entry := audit.Entry{Action: "token.revoke", Detail: found.ID + " " + found.Name}
			err = local.change(command, entry, func(a *accounts.Accounts) (err error) {
				found, err = a.RevokeToken(command.Context(), found.ID)
				return err
			})
			if err != nil {
				return err
			}
			if local.asJSON {
				return writeJSON(command.OutOrStdout(), found)
			}
			_, err = fmt.Fprintf(command.OutOrStdout(), "%s (%s) is revoked\n", found.Name, found.ID)
			return err
		},
	}
}

// findToken is a token by its id, or the one of a name that is not revoked.
func findToken(command *cobra.Command, a *accounts.Accounts, nameOrID string) (accounts.Token, error) {
	tokens, err := a.Tokens(command.Context())
	if err != nil {
		return accounts.Token{}, err
	}
	for _, t := range tokens {
		if t.ID == nameOrID || t.RevokedAt == nil && t.Name == nameOrID {
			return t, nil
		}
	}
	return accounts.Token{}, fmt.Errorf("there is no token %.80q; see wattline token list", nameOrID)
}
