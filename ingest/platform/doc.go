// Package platform reads the native events of code hosts and CI systems: webhooks of GitHub, GitLab
// and Jira, and CDEvents. An event becomes one fact of package record.
//
// Types are those of the CloudEvents adapters: com.github.<event>.<action>
// (https://github.com/cloudevents/spec/blob/main/cloudevents/adapters/github.md), in the same way
// com.gitlab.<event>.<action> and com.atlassian.jira.<event>, and dev.cdevents.* as CDEvents
// defines them (https://cdevents.dev).
//
// If a platform omits something, or may have omitted something, the fact says so: a push is
// partial, a revision states the number of files. A check is identified by its application
// (Provider), the suite, run or pipeline that contains it (Workflow, RunID), and its name. Texts
// keep their original length; callers that shorten them to the limits of a schema must keep
// different names different. A text that an author wrote, such as a title or a message, is a claim:
// nothing else is read from it.
//
// This package does not know any agents: the policy says who an account is.
//
// It does no I/O and reads no clock.
package platform
