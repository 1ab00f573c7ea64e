import { Session } from "./auth/session";
import { AppShell } from "./components/app-shell";
import { installFeatures } from "./features";
import { views } from "./modules";

const session = new Session();
installFeatures({ session });

const shell = document.querySelector("app-shell");
if (shell instanceof AppShell) {
  shell.views = views;
  shell.session = session;
}
