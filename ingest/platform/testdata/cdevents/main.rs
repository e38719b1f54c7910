// Writes events of CDEvents as cloudevents-sdk and cdevents-sdk (crates.io) make
// them, one a line: a change in each of its states, what was run for it, built from
// it and deployed, an approval of the 0.6 draft, and a ticket.
use cdevents_sdk::{latest::*, CDEvent, Subject};
use cloudevents::Event;
use serde_json::json;
use std::error::Error;

fn say<C: Into<cdevents_sdk::Content>>(n: u32, id: &str, content: C, custom: serde_json::Value) -> Result<(), Box<dyn Error>>
where
    Subject: From<C>,
{
    let mut e = CDEvent::from(Subject::from(content).with_id(id.try_into()?).with_source("https://ci.acme.example/main".try_into()?))
        .with_id(format!("cd-{n}").as_str().try_into()?)
        .with_source("https://ci.acme.example".try_into()?)
        .with_timestamp(time::OffsetDateTime::from_unix_timestamp(1_772_336_820 + 60 * n as i64)?);
    if !custom.is_null() {
        e = e.with_custom_data(custom);
    }
    let e: Event = e.try_into()?;
    println!("{}", serde_json::to_string(&e)?);
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let none = serde_json::Value::Null;
    let head = "1111111111111111111111111111111111111111";
    let merge = "9999999999999999999999999999999999999999";
    let artifact = "pkg:oci/payments@sha256:0b31b1c02ff458ad9b7b81cbdf8f028bd54699fa151f221d1e8de6817db93427";
    macro_rules! repository {
        ($m:ident) => {
            Some($m::ContentRepository { id: "acme/payments".try_into()?, source: Some("https://github.com".try_into()?) })
        };
    }
    say(1, "4829", change_created::Content { description: Some("Update lodash".try_into()?), repository: repository!(change_created) }, json!({"author": "agent-bot-3000[bot]", "commit": head}))?;
    say(2, "4829", change_reviewed::Content { repository: repository!(change_reviewed) }, json!({"reviewer": "jonas.k", "verdict": "approved", "commit": head}))?;
    say(3, "run-7", pipelinerun_finished::Content { errors: None, outcome: Some(pipelinerun_finished::ContentOutcome::Success), pipeline_name: Some("build".into()), uri: Some("https://ci.acme.example/run-7".try_into()?) }, json!({"repository": "https://github.com/acme/payments", "commit": head}))?;
    say(4, "task-8", taskrun_finished::Content { errors: Some("exit 1".into()), outcome: Some("failure".into()), pipeline_run: None, task_name: Some("lint".into()), uri: None }, json!({"repository": "https://github.com/acme/payments", "commit": head}))?;
    say(5, "4829", change_merged::Content { repository: repository!(change_merged) }, json!({"merge_sha": merge}))?;
    say(6, artifact, artifact_packaged::Content { change: artifact_packaged::ContentChange { id: "github.com/acme/payments/pull/4829".try_into()?, source: None }, sbom: None }, none.clone())?;
    say(7, "payments", service_deployed::Content { artifact_id: artifact.try_into()?, environment: service_deployed::ContentEnvironment { id: "production".try_into()?, source: None } }, json!({"repository": "github.com/acme/payments"}))?;
    say(8, "4830", change_abandoned::Content { repository: repository!(change_abandoned) }, none.clone())?;
    say(9, "approval-1", approval_closed::Content { approval_details_url: "https://desk.acme.example/CHG-1".try_into()?, decision: approval_closed::ContentDecision::Approved, resource_target_url: "https://github.com/acme/payments/pull/4829".try_into()?, responder: "https://github.com/mira.s".try_into()?, status: approval_closed::ContentStatu::Approved }, none.clone())?;
    say(10, "T-1", ticket_created::Content { assignees: None, creator: "mira.s".try_into()?, group: None, labels: None, milestone: None, priority: None, summary: "Update lodash".into(), ticket_type: None, uri: "https://desk.acme.example/T-1".try_into()? }, json!({"repository": "github.com/acme/payments"}))?;
    Ok(())
}
