import type { Session } from "../auth/session";

/** What a feature's `install.ts` exports. */
export interface Feature {
  install(context: FeatureContext): void;
}

export interface FeatureContext {
  session: Session;
}

/** Install every feature whose folder is there, in the order of their names. Nothing is to be registered by hand. */
export function installFeatures(
  context: FeatureContext,
  features: Record<string, Feature> = import.meta.glob<Feature>("./*/install.ts", { eager: true }),
): void {
  for (const path of Object.keys(features).sort()) features[path]?.install(context);
}
