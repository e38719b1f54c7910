// Package platform reads what code hosts and CI systems say in their own words:
// webhooks of GitHub, GitLab and Jira, as they are, and CDEvents. An event becomes
// one fact of package record.
//
// Types are those of the CloudEvents adapters: com.github.<event>.<action>
// (https://github.com/cloudevents/spec/blob/main/cloudevents/adapters/github.md),
// com.gitlab.<event>.<action> and com.atlassian.jira.<event> in the same manner, and dev.cdevents.* as CDEvents
// names its own (https://cdevents.dev).
//
// What a platform leaves out, or may have left out, the fact says: a push is partial, a
// revision states how many files there are. A check is told from others by its
// application (Provider), the suite, run or pipeline that it is part of (Workflow, RunID),
// and its name. Texts have the length that the platform gave them: whoever keeps them to
// the bounds of a schema sees to it that two names stay two. What an author wrote, as a title or a message, is a claim: nothing else is
// read from it.
//
// Nothing here knows which agents there are: who an account is, the policy says.
//
// It does no I/O and reads no clock.
package platform
