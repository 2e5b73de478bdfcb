package main

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/config"
	"github.com/wattline/wattline/internal/files"
	"github.com/wattline/wattline/internal/mqttcredentials"
	"github.com/wattline/wattline/internal/mqttrights"
)

// brokerOptions say where the credentials are.
type brokerOptions struct {
	file string
	data string
}

func newBroker() *cobra.Command {
	var options brokerOptions
	command := &cobra.Command{
		Use:   "broker",
		Short: "Let other programs connect to the MQTT broker, each with its own rights",
		Long: `Issue and revoke the credentials by which other programs connect to the MQTT
broker. They are kept, hashed, in the data folder. The embedded broker follows them
while it runs: a new one opens, and a revoked one is disconnected, within a second. For
mosquitto they are written out with wattline broker acl.`,
		Example: `  wattline broker credentials collector controller --name annex --site annex
  wattline broker credentials list
  wattline broker credentials revoke annex
  wattline broker acl --out /etc/mosquitto`,
		Args: usage(cobra.NoArgs),
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	flags := command.PersistentFlags()
	flags.StringVarP(&options.file, "config", "c", "wattline.yaml", "the configuration file, for the data folder and the topics")
	flags.StringVar(&options.data, "data", "", "the data folder, without a configuration: that of wattline demo")
	_ = command.MarkPersistentFlagFilename("config", "yaml", "yml")
	_ = command.MarkPersistentFlagDirname("data")
	command.AddCommand(newBrokerCredentials(&options), newBrokerACL(&options))
	return command
}

// load is the configuration, as far as it concerns credentials.
func (o *brokerOptions) load() (config.Config, error) {
	if o.data != "" {
		loaded := config.Default()
		loaded.Data = o.data
		return loaded, nil
	}
	loaded, err := config.Load(o.file)
	if err != nil {
		return loaded, fmt.Errorf("%w; or say with --data where the data folder is", err)
	}
	return loaded, nil
}

func newBrokerCredentials(options *brokerOptions) *cobra.Command {
	var holder mqttrights.Holder
	var secretFile string
	command := &cobra.Command{
		Use:   "credentials ROLE...",
		Short: "Issue a credential to one program, for its roles",
		Long: `Issue a credential to one program. Its name is the MQTT user, the client id and
the instance of that program in one, so each program needs its own. What a role may
say and hear is in the documentation (Security). The roles:

  gateway, collector, controller, registry, history
                    as in wattline run; several together where one process has them
  hook              listens, and raises alerts
  hook:NAME         stores readings as well; that of wattline is archive, influx or its hook_name
  component:NAME    answers the queries to somebody's component
  observer          listens

The secret is shown once and kept nowhere.`,
		Example: `  wattline broker credentials gateway --name gw-1
  wattline broker credentials collector controller --name annex --site annex
  wattline broker credentials hook:influx history --secret-file store.secret
  wattline broker credentials component:weather --name weather-1
  wattline broker credentials observer --name wall`,
		Args: usage(cobra.MinimumNArgs(1)),
		RunE: func(command *cobra.Command, args []string) error {
			for _, arg := range args {
				role, err := mqttrights.ParseRole(arg)
				if err != nil {
					return usageError{err}
				}
				holder.Roles = append(holder.Roles, role)
			}
			holder.Name = cmp.Or(holder.Name, madeUpName(holder.Roles))
			if err := holder.Validate(); err != nil {
				return usageError{err}
			}
			loaded, err := options.load()
			if err != nil {
				return err
			}
			return issueCredential(command.OutOrStdout(), loaded, holder, secretFile)
		},
	}
	flags := command.Flags()
	flags.StringVar(&holder.Name, "name", "", "the name; made up of the roles if empty")
	flags.StringVar(&holder.Site, "site", "", "limit a collector or controller to the devices of one site")
	flags.StringVar(&secretFile, "secret-file", "", "write the secret into this new file, for its owner alone, instead of showing it")
	_ = command.MarkFlagFilename("secret-file")
	command.AddCommand(newCredentialList(options), newCredentialRevoke(options))
	return command
}

// madeUpName is a name that no other credential has.
func madeUpName(roles []mqttrights.Role) string {
	const longest = 50
	kinds := make([]string, len(roles))
	for i, role := range roles {
		kinds[i] = strings.NewReplacer(":", "-", ".", "-").Replace(string(role))
	}
	random := make([]byte, 3)
	_, _ = rand.Read(random) // never fails
	name := strings.Join(kinds, "-")
	return name[:min(len(name), longest)] + "-" + hex.EncodeToString(random)
}

// issueCredential makes the file for the secret before the credential, so that none
// is issued whose secret is nowhere.
func issueCredential(out io.Writer, loaded config.Config, holder mqttrights.Holder, secretFile string) error {
	var file *os.File
	if secretFile != "" {
		var err error
		if file, err = os.OpenFile(secretFile, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
			return fmt.Errorf("--secret-file: %w", err)
		}
		defer file.Close()
	}
	secret, err := mqttcredentials.Issue(loaded.Data, holder, time.Now())
	if err != nil {
		if file != nil {
			err = errors.Join(err, os.Remove(secretFile))
		}
		return err
	}
	shown := secret + "   (shown once: put it into a file that only its owner can read)"
	if file != nil {
		shown = "in " + secretFile
		if _, err := file.WriteString(secret + "\n"); err != nil {
			return errors.Join(err, mqttcredentials.Revoke(loaded.Data, holder.Name))
		}
	}
	fmt.Fprintf(out, `name    %s
roles   %s
site    %s
secret  %s

The process that uses it has in its configuration:

  instance: %[1]s
  broker: mqtts://%[1]s@HOST:8883
  broker_password_file: %[5]s

Another program gives the name as its user and as its client id.
`, holder.Name, roleList(holder.Roles), cmp.Or(holder.Site, "all"), shown, cmp.Or(secretFile, holder.Name+".secret"))
	return nil
}

func roleList(roles []mqttrights.Role) string {
	texts := make([]string, len(roles))
	for i, role := range roles {
		texts[i] = string(role)
	}
	return strings.Join(texts, " ")
}

// listedCredential is a credential as list prints it.
type listedCredential struct {
	Name    string            `json:"name"`
	Roles   []mqttrights.Role `json:"roles"`
	Site    string            `json:"site,omitempty"`
	Created wattline.Time     `json:"created"`
}

func newCredentialList(options *brokerOptions) *cobra.Command {
	var asJSON bool
	command := &cobra.Command{
		Use:   "list",
		Short: "List the credentials",
		Args:  usage(cobra.NoArgs),
		Example: `  wattline broker credentials list
  wattline broker credentials list --json`,
		RunE: func(command *cobra.Command, _ []string) error {
			loaded, err := options.load()
			if err != nil {
				return err
			}
			kept, err := mqttcredentials.List(loaded.Data)
			if err != nil {
				return err
			}
			listed := make([]listedCredential, len(kept))
			for i, c := range kept {
				listed[i] = listedCredential{c.Name, c.Roles, c.Site, c.Created}
			}
			if asJSON {
				return writeJSON(command.OutOrStdout(), listed)
			}
			return writeCredentials(command.OutOrStdout(), listed)
		},
	}
	command.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return command
}

func writeCredentials(out io.Writer, listed []listedCredential) error {
	table := newTable(out)
	fmt.Fprintln(table, "NAME\tROLES\tSITE\tCREATED")
	for _, c := range listed {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", c.Name, roleList(c.Roles), cmp.Or(c.Site, "all"), c.Created.Format(time.DateTime))
	}
	return table.Flush()
}

func newCredentialRevoke(options *brokerOptions) *cobra.Command {
	return &cobra.Command{
		Use:     "revoke NAME",
		Short:   "Revoke a credential and disconnect whoever uses it",
		Args:    usage(cobra.ExactArgs(1)),
		Example: `  wattline broker credentials revoke annex`,
		RunE: func(_ *cobra.Command, args []string) error {
			loaded, err := options.load()
			if err != nil {
				return err
			}
			return mqttcredentials.Revoke(loaded.Data, args[0])
		},
	}
}

func newBrokerACL(options *brokerOptions) *cobra.Command {
	var folder string
	command := &cobra.Command{
		Use:   "acl",
		Short: "Write the credentials and their rights as files for mosquitto",
		Long: `Write the credentials and their rights as files for mosquitto 2: wattline.acl and
wattline.passwd. With a SIGHUP mosquitto reads them again and disconnects whoever was
revoked. The lines for mosquitto.conf are printed at the end.`,
		Args: usage(cobra.NoArgs),
		Example: `  wattline broker acl --out /etc/mosquitto
  systemctl reload mosquitto`,
		RunE: func(command *cobra.Command, _ []string) error {
			loaded, err := options.load()
			if err != nil {
				return err
			}
			return writeMosquitto(command.OutOrStdout(), loaded, folder)
		},
	}
	command.Flags().StringVar(&folder, "out", "", "the folder to write into (required)")
	_ = command.MarkFlagRequired("out")
	_ = command.MarkFlagDirname("out")
	return command
}

func writeMosquitto(out io.Writer, loaded config.Config, folder string) error {
	topics, err := wattline.NewTopics(loaded.TopicRoot)
	if err != nil {
		return err
	}
	list, err := mqttcredentials.List(loaded.Data)
	if err != nil {
		return err
	}
	acl, passwords := filepath.Join(folder, "wattline.acl"), filepath.Join(folder, "wattline.passwd")
	for path, text := range map[string]string{
		acl: mqttrights.ACL(topics, mqttcredentials.Holders(list)), passwords: mqttcredentials.Passwords(list),
	} {
		if err := files.Replace(path, []byte(text)); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, `%d credentials written. In mosquitto.conf, readable for the user that mosquitto runs as:

  allow_anonymous false
  use_username_as_clientid true
  password_file %s
  acl_file %s
`, len(list), passwords, acl)
	return nil
}
