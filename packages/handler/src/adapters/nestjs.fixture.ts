// NestJS for the tests of the adapters: an application of one controller, with the handler before it or in it. Decorators
// are called as functions, which is all that they are, so that the tests need no compiler option.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { INestApplication } from '@nestjs/common';
import { Controller, Module, Post, Req, Res } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { Handler } from '../index.ts';
import type { Served } from '../sender.fixture.ts';
import { toExpress } from './express.ts';

/** `app.use()` before the application is initialised. */
export async function nestBefore(handler: Handler<undefined>): Promise<Served> {
  const app = await NestFactory.create(moduleOf([]), { logger: false });
  app.use('/webhooks', toExpress(handler));
  return served(app);
}

/** In a controller, with the two options that keep the bytes. */
export async function nestController(handler: Handler<undefined>): Promise<Served> {
  const module = moduleOf([controllerOf(handler)]);
  const app = await NestFactory.create<NestExpressApplication>(module, { logger: false, rawBody: true });
  app.useBodyParser('json', { limit: '2mb' });
  return served(app);
}

/** In a controller, as NestJS comes: the body is parsed and the bytes are gone. */
export async function nestWrongly(handler: Handler<undefined>): Promise<Served> {
  return served(await NestFactory.create(moduleOf([controllerOf(handler)]), { logger: false }));
}

function controllerOf(handler: Handler<undefined>): new () => object {
  const receive = toExpress(handler);
  class WebhooksController {
    take(request: IncomingMessage, response: ServerResponse): void {
      receive(request, response);
    }
  }
  const { prototype } = WebhooksController;
  const method: TypedPropertyDescriptor<unknown> = { value: prototype.take };
  Post()(prototype, 'take', method);
  Req()(prototype, 'take', 0);
  Res()(prototype, 'take', 1);
  Controller('webhooks')(WebhooksController);
  return WebhooksController;
}

function moduleOf(controllers: (new () => object)[]): new () => object {
  class AppModule {}
  Module({ controllers })(AppModule);
  return AppModule;
}

async function served(app: INestApplication): Promise<Served> {
  await app.listen(0, '127.0.0.1');
  const url = await app.getUrl();
  return {
    url: `${url}/webhooks?tenant=1`,
    port: Number(new URL(url).port),
    async [Symbol.asyncDispose]() {
      app.getHttpServer().closeAllConnections();
      await app.close();
    },
  };
}
