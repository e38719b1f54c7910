// An agent says what a tool did, over plain HTTP: fetch will do (Node 18, Deno, Bun; the same in TypeScript).
import { randomUUID } from "node:crypto";

const event = {
  specversion: "1.0",
  id: randomUUID(), // sent again with the same id, it is the same event
  source: "/agents/patch-pilot",
  type: "dev.changetrail.action.performed.v1",
  subject: process.env.CHANGE, // github.com/acme/payments/pull/4829
  time: new Date().toISOString(),
  datacontenttype: "application/json",
  data: {
    agent: { id: "patch-pilot", run: process.env.RUN ?? "nightly-1" },
    tool: "npm install",
    outcome: "success",
    arguments: { package: "lodash@4.17.21" },
    files: ["package.json", "package-lock.json"],
  },
};
const response = await fetch(process.env.CHANGETRAIL_URL + "/v1/events", {
  method: "POST",
  headers: { "content-type": "application/cloudevents+json", authorization: `Bearer ${process.env.CHANGETRAIL_TOKEN}` },
  body: JSON.stringify(event),
});
if (!response.ok) throw new Error(`${response.status} ${await response.text()}`); // application/problem+json says what is wrong
console.log(response.status);
