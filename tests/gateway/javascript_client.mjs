// What the official JavaScript client sees of a gateway at argv[2]; one JSON object on standard output.
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.argv[2], apiKey: "none", maxRetries: 0, timeout: 10_000 });
const messages = [{ role: "user", content: "hello" }];
const tools = ["weather", "time"].map((name) => ({ type: "function", function: { name, parameters: { type: "object" } } }));
const seen = {};

const whole = await client.chat.completions.create({ model: "auto", messages }).withResponse();
seen.whole = whole.data.choices[0].message.content;
seen.tier = whole.response.headers.get("x-routenlp-tier");

for (const model of ["auto", "auto:intent"]) {
  let text = "";
  for await (const chunk of await client.chat.completions.create({ model, messages, stream: true })) {
    text += chunk.choices[0]?.delta?.content ?? "";
  }
  seen[`stream ${model}`] = text;
  const called = await client.chat.completions.stream({ model, messages, tools }).finalChatCompletion();
  seen[`tools ${model}`] = called.choices[0].message.tool_calls.map((call) => call.function.name);
}

seen.models = (await client.models.list()).data.map((model) => model.id);
try {
  await client.chat.completions.create({ model: "no-such-model", messages });
} catch (error) {
  seen.error = [error.constructor.name, error.status, error.code];
}
console.log(JSON.stringify(seen));
