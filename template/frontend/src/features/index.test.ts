import { expect, it } from "vitest";
import { Session } from "../auth/session";
import { installFeatures } from ".";

it("installs every feature once, in the order of their names", () => {
  const session = new Session();
  const installed: unknown[] = [];
  const feature = (name: string) => ({
    install: (context: { session: Session }) => installed.push([name, context.session]),
  });
  installFeatures({ session }, { "./b/install.ts": feature("b"), "./a/install.ts": feature("a") });
  expect(installed).toEqual([
    ["a", session],
    ["b", session],
  ]);
});
