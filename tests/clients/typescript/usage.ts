// What an application in TypeScript writes, with the types that a generator made from openapi.yaml.
import createClient from "openapi-fetch";
import type { components, paths } from "./mailsvc.js";

type Delivery = components["schemas"]["DeliveryObject"];

const mail = createClient<paths>({ baseUrl: "http://127.0.0.1:8025", headers: { Authorization: "Bearer mk_…" } });

export async function receipt(order: string): Promise<string> {
  const { data, error } = await mail.POST("/v1/messages", {
    params: { header: { "Idempotency-Key": `order-${order}` } },
    body: { from: "Shop <shop@app.test>", to: ["alice@example.test"], subject: "Thanks", text: "Your order", metadata: { order } },
  });
  if (error) throw new Error(`${error.code}: ${error.errors?.map((e) => `${e.field} ${e.detail}`).join(", ") ?? error.detail}`);
  return data.id;
}

export async function bounced(id: string): Promise<string[]> {
  const { data } = await mail.GET("/v1/messages/{id}", { params: { path: { id } } });
  return (data?.deliveries ?? []).filter((d: Delivery) => d.status === "bounced").map((d) => d.recipient);
}

export async function follow(after: string): Promise<string> {
  const { data } = await mail.GET("/v1/events", { params: { query: { after, wait: 30, type: ["message.*"] } } });
  for (const event of data?.data ?? []) console.log(event.type, event.data);
  return data?.next_cursor ?? after;
}

// @ts-expect-error: a wrong type is an error before anything is sent
mail.POST("/v1/messages", { body: { from: "a@app.test", to: "b@app.test", text: "x", priority: "urgent" } });
