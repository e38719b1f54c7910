package cli

import "github.com/spf13/cobra"

// audit groups the commands of auditors.
func (a *app) audit() *cobra.Command {
	cmd := &cobra.Command{Use: "audit", Short: "Check as an auditor that the records are complete and true"}
	return group(cmd, a.auditReconcile())
}
