// Package platform reads what code hosts and CI systems say in their own words:
// webhooks of GitHub and GitLab, as they are, and CDEvents. An event becomes one
// fact of package record.
//
// Types are those of the CloudEvents adapters: com.github.<event>.<action>
// (https://github.com/cloudevents/spec/blob/main/cloudevents/adapters/github.md),
// com.gitlab.<event>.<action> in the same manner, and dev.cdevents.* as CDEvents
// names its own (https://cdevents.dev).
//
// Nothing here knows which agents there are: who an account is, the policy says.
//
// The package may import record. It does no I/O and reads no clock.
package platform
