package main

import (
	"context"

	"github.com/wattline/wattline/api"
	"github.com/wattline/wattline/internal/accounts"
	"github.com/wattline/wattline/internal/audit"
)

// startAccounts opens who may use the API, and the audit of what they do. Where
// nobody may, it makes the first admin's token.
func (p *process) startAccounts(ctx context.Context) error {
	kept, err := audit.Open(ctx, audit.Options{
		Path: audit.Path(p.Config.Data), Retention: p.Config.AuditRetention, Log: p.log, Metrics: p.metrics,
	})
	if err != nil {
		return err
	}
	p.stack.Defer("audit file", kept.Close)
	p.stack.Go("audit", kept.Run)
	opened, err := accounts.Open(ctx, accounts.Options{Path: accounts.Path(p.Config.Data), Log: p.log})
	if err != nil {
		return err
	}
	p.stack.Defer("accounts file", opened.Close)
	made, err := opened.EnsureAdmin(ctx, p.Config.Data)
	if err != nil {
		return err
	}
	if made {
		path := accounts.FirstTokenPath(p.Config.Data)
		p.log.Warn("nobody could use the API, so a token for an admin was made; it is in this file, which only its owner can read", "file", path)
		entry := audit.Entry{Who: audit.System, Action: "token.create", Outcome: audit.Done, Detail: "the first admin's, in " + path}
		if err := kept.Append(ctx, entry); err != nil {
			return err
		}
	}
	p.stack.Go("accounts", opened.Run)
	p.checks = append(p.checks, api.ReadyCheck{Name: "accounts", Check: opened.Ready})
	p.accounts, p.audit = opened, kept
	return nil
}

// limits are those of the configuration, in which 0 is none.
func (p *process) limits() api.Limits {
	limits := api.Limits{RequestsPerS: p.Config.Limits.RequestsPerS, Burst: p.Config.Limits.Burst}
	if limits.RequestsPerS == 0 {
		limits.RequestsPerS = -1
	}
	return limits
}
